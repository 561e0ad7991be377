/* See rtl_gen.h. */

#include "rtl_gen.h"

#include "rtl_gen_registers.h"

#define REGISTER(name) ((uint32_t)offsetof(rtl_gen_t, name))
#define PAGE ((uint64_t)1 << RTL_GEN_PAGE_BITS)
#define EVENTS (RTL_GEN__INTERRUPT__DONE_bm | RTL_GEN__INTERRUPT__ERROR_bm)
#define RESET_READS 1000000ul

/* ---- words of files and memory, lowest byte first whatever the processor's order */

static uint32_t get32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
           (uint32_t)bytes[3] << 24;
}

static uint64_t get64(const uint8_t *bytes)
{
    return (uint64_t)get32(bytes) | (uint64_t)get32(bytes + 4) << 32;
}

static void put32(uint8_t *bytes, uint32_t value)
{
    for (int n = 0; n < 4; n++)
        bytes[n] = (uint8_t)(value >> 8 * n);
}

static uint32_t crc32_more(uint32_t crc, const uint8_t *bytes, size_t count)
{
    for (size_t n = 0; n < count; n++) {
        crc ^= bytes[n];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (RTL_GEN_CRC_POLYNOMIAL & (0u - (crc & 1u)));
    }
    return crc;
}

static int same_text(const char *one, const char *other)
{
    while (*one && *one == *other)
        one++, other++;
    return *one == *other;
}

/* ---- registers */

uint32_t rtl_gen_mmio_read32(void *context, uint32_t offset)
{
    return *(volatile uint32_t *)((uintptr_t)context + offset);
}

void rtl_gen_mmio_write32(void *context, uint32_t offset, uint32_t value)
{
    *(volatile uint32_t *)((uintptr_t)context + offset) = value;
}

static uint32_t read32(const struct rtl_gen_device *device, uint32_t offset)
{
    return device->port->read32(device->port->context, offset);
}

static void write32(const struct rtl_gen_device *device, uint32_t offset, uint32_t value)
{
    device->port->write32(device->port->context, offset, value);
}

/* An address, low half first. */
static void write64(const struct rtl_gen_device *device, uint32_t offset, uint64_t value)
{
    write32(device, offset, (uint32_t)value);
    write32(device, offset + 4, (uint32_t)(value >> 32));
}

static void clean(const struct rtl_gen_device *device, const void *start, size_t bytes)
{
    if (device->port->clean)
        device->port->clean(device->port->context, start, bytes);
}

static void invalidate(const struct rtl_gen_device *device, const void *start, size_t bytes)
{
    if (device->port->invalidate)
        device->port->invalidate(device->port->context, start, bytes);
}

/* ---- the program file: a header, then tables */

static uint32_t header32(const uint8_t *file, uint32_t offset) { return get32(file + offset); }

static const uint8_t *tensors_of(const uint8_t *file) { return file + RTL_GEN_HEADER_BYTES; }

static const uint8_t *windows_of(const uint8_t *file)
{
    return tensors_of(file) +
           (size_t)header32(file, RTL_GEN_HEADER_TENSORS) * RTL_GEN_TENSOR_BYTES;
}

static const uint8_t *segments_of(const uint8_t *file)
{
    return windows_of(file) +
           (size_t)header32(file, RTL_GEN_HEADER_WINDOWS) * RTL_GEN_WINDOW_BYTES;
}

static const uint8_t *relocations_of(const uint8_t *file)
{
    return segments_of(file) +
           (size_t)header32(file, RTL_GEN_HEADER_SEGMENTS) * RTL_GEN_SEGMENT_BYTES;
}

static const char *names_of(const uint8_t *file)
{
    return (const char *)relocations_of(file) +
           (size_t)header32(file, RTL_GEN_HEADER_RELOCATIONS) * RTL_GEN_RELOCATION_BYTES;
}

/* Whether all of a file is there, and as it was written. */
static int check_file(const uint8_t *file, size_t bytes)
{
    if (bytes >= 4 && get32(file) != RTL_GEN_MAGIC)
        return RTL_GEN_NOT_A_PROGRAM;
    if (bytes < RTL_GEN_HEADER_BYTES + RTL_GEN_CHECKSUM_BYTES)
        return RTL_GEN_TRUNCATED;
    if (header32(file, RTL_GEN_HEADER_VERSION) < RTL_GEN_OLDEST_FORMAT ||
        header32(file, RTL_GEN_HEADER_VERSION) > RTL_GEN_FORMAT_VERSION)
        return RTL_GEN_NEWER_FORMAT;
    if (get64(file + RTL_GEN_HEADER_FILE_BYTES) != bytes)
        return RTL_GEN_TRUNCATED;
    bytes -= RTL_GEN_CHECKSUM_BYTES;
    if (~crc32_more(0xFFFFFFFFu, file, bytes) != get32(file + bytes))
        return RTL_GEN_BAD_CHECKSUM;
    return RTL_GEN_OK;
}

/* Whether so many bytes from one on lie within others; none of the numbers is trusted. */
static int lies(uint64_t first, uint64_t bytes, uint64_t within)
{
    return bytes <= within && first <= within - bytes;
}

static uint32_t element_bytes(const uint8_t *tensor)
{
    static const uint8_t sizes[RTL_GEN_ELEMENTS] = RTL_GEN_ELEMENT_BYTES;

    return sizes[get32(tensor + RTL_GEN_TENSOR_FORMAT)];
}

/* Whether all elements of a tensor lie within its bytes. */
static int elements_lie(const uint8_t *tensor)
{
    const uint64_t bytes = get64(tensor + RTL_GEN_TENSOR_SIZE);
    const uint8_t *axis = tensor + RTL_GEN_TENSOR_LAYOUT;
    uint64_t elements = 1, last = 0;
    uint32_t axes = get32(tensor + RTL_GEN_TENSOR_AXES);

    if (axes > RTL_GEN_AXES || get32(tensor + RTL_GEN_TENSOR_RANK) > RTL_GEN_SHAPE ||
        get32(tensor + RTL_GEN_TENSOR_FORMAT) >= RTL_GEN_ELEMENTS)
        return 0;
    for (; axes; axes--, axis += RTL_GEN_AXIS_BYTES) {
        const uint32_t size = get32(axis + RTL_GEN_AXIS_SIZE);
        const uint32_t split = get32(axis + RTL_GEN_AXIS_SPLIT);
        const uint64_t inner = get32(axis + RTL_GEN_AXIS_INNER);
        const uint64_t outer = get32(axis + RTL_GEN_AXIS_OUTER);
        uint64_t farthest, before;

        if (!size || !split)
            return 0;
        farthest = (size - 1) % split * inner;
        if (size > split) { /* the last but one of the runs is whole */
            before = (split - 1) * inner;
            if (farthest > bytes || before > bytes || (size - 1) / split * outer > bytes)
                return 0;
            farthest += (size - 1) / split * outer;
            before += ((size - 1) / split - 1) * outer;
            farthest = before > farthest ? before : farthest;
        }
        elements *= size;
        if (farthest > bytes || elements > bytes)
            return 0;
        last += farthest;
    }
    return lies(last, element_bytes(tensor), bytes) && elements == get64(tensor + RTL_GEN_TENSOR_ELEMENTS);
}

/* Whether the tables say nothing that lies outside the file or its memory. */
static int check_tables(const uint8_t *file, uint64_t bytes)
{
    const uint64_t memory = get64(file + RTL_GEN_HEADER_MEMORY_BYTES);
    const uint32_t tensors = header32(file, RTL_GEN_HEADER_TENSORS);
    const uint32_t windows = header32(file, RTL_GEN_HEADER_WINDOWS);
    const uint32_t segments = header32(file, RTL_GEN_HEADER_SEGMENTS);
    const uint32_t relocations = header32(file, RTL_GEN_HEADER_RELOCATIONS);
    const uint32_t names = header32(file, RTL_GEN_HEADER_NAMES_BYTES);
    const uint8_t *entry, *program;
    uint64_t program_bytes, tables = RTL_GEN_HEADER_BYTES;

    tables += (uint64_t)tensors * RTL_GEN_TENSOR_BYTES + (uint64_t)windows * RTL_GEN_WINDOW_BYTES;
    tables += (uint64_t)segments * RTL_GEN_SEGMENT_BYTES;
    tables += (uint64_t)relocations * RTL_GEN_RELOCATION_BYTES;
    bytes -= RTL_GEN_CHECKSUM_BYTES;
    if (!lies(tables, names, bytes) || windows > RTL_GEN_WINDOWS || !segments)
        return RTL_GEN_NOT_A_PROGRAM;
    if (names && names_of(file)[names - 1])
        return RTL_GEN_NOT_A_PROGRAM;
    entry = tensors_of(file);
    for (uint32_t n = 0; n < tensors; n++, entry += RTL_GEN_TENSOR_BYTES)
        if (!lies(get64(entry + RTL_GEN_TENSOR_OFFSET), get64(entry + RTL_GEN_TENSOR_SIZE),
                  memory) ||
            get32(entry + RTL_GEN_TENSOR_NAME) >= names || !elements_lie(entry))
            return RTL_GEN_NOT_A_PROGRAM;
    entry = windows_of(file);
    for (uint32_t n = 0; n < windows; n++, entry += RTL_GEN_WINDOW_BYTES)
        if (!get64(entry + RTL_GEN_WINDOW_SIZE) ||
            !lies(get64(entry + RTL_GEN_WINDOW_OFFSET), get64(entry + RTL_GEN_WINDOW_SIZE), memory))
            return RTL_GEN_NOT_A_PROGRAM;
    entry = segments_of(file);
    for (uint32_t n = 0; n < segments; n++, entry += RTL_GEN_SEGMENT_BYTES) {
        const uint64_t size = get64(entry + RTL_GEN_SEGMENT_SIZE);

        if (!lies(get64(entry + RTL_GEN_SEGMENT_OFFSET), size, memory) ||
            !lies(get64(entry + RTL_GEN_SEGMENT_FILE_OFFSET), size, bytes))
            return RTL_GEN_NOT_A_PROGRAM;
    }
    entry -= RTL_GEN_SEGMENT_BYTES;
    program = file + get64(entry + RTL_GEN_SEGMENT_FILE_OFFSET);
    program_bytes = get64(entry + RTL_GEN_SEGMENT_SIZE);
    if (get64(file + RTL_GEN_HEADER_PROGRAM_OFFSET) != get64(entry + RTL_GEN_SEGMENT_OFFSET) ||
        4 * (uint64_t)header32(file, RTL_GEN_HEADER_PROGRAM_WORDS) != program_bytes)
        return RTL_GEN_NOT_A_PROGRAM;
    entry = relocations_of(file);
    for (uint32_t n = 0; n < relocations; n++, entry += RTL_GEN_RELOCATION_BYTES) {
        const uint64_t packet = 4 * (uint64_t)get32(entry + RTL_GEN_RELOCATION_PACKET);

        if (!lies(4 * (uint64_t)get32(entry + RTL_GEN_RELOCATION_ADDRESS), 8, program_bytes) ||
            !lies(packet, 8, program_bytes) ||
            !lies(packet, 8 + 4 * (uint64_t)(get32(program + packet) & 0xFFFFu), program_bytes))
            return RTL_GEN_NOT_A_PROGRAM;
    }
    return RTL_GEN_OK;
}

/* Whether a file was made for this accelerator. */
static int check_design(const struct rtl_gen_device *device, const uint8_t *file)
{
    uint32_t versions = read32(device, REGISTER(VERSIONS));
    uint64_t hash = (uint64_t)read32(device, REGISTER(HASH1)) << 32;

    hash |= read32(device, REGISTER(HASH0));
    if (get64(file + RTL_GEN_HEADER_DESIGN_HASH) != hash)
        return RTL_GEN_OTHER_DESIGN;
    if (header32(file, RTL_GEN_HEADER_DESCRIPTOR_VERSION) !=
            (versions & RTL_GEN__VERSIONS__DESCRIPTOR_bm) >> RTL_GEN__VERSIONS__DESCRIPTOR_bp ||
        header32(file, RTL_GEN_HEADER_REGISTERS_VERSION) !=
            (versions & RTL_GEN__VERSIONS__REGISTERS_bm) >> RTL_GEN__VERSIONS__REGISTERS_bp)
        return RTL_GEN_OTHER_VERSION;
    return RTL_GEN_OK;
}

/* Add the memory's address where the program, in memory, says one; each such packet gets the
 * checksum of what it then has: all its words but the second, which is the checksum. */
static void relocate(const struct rtl_gen_device *device, const uint8_t *file, uint8_t *program)
{
    const uint8_t *entry = relocations_of(file);
    uint32_t count = header32(file, RTL_GEN_HEADER_RELOCATIONS);

    for (; count; count--, entry += RTL_GEN_RELOCATION_BYTES) {
        uint8_t *packet = program + 4 * (size_t)get32(entry + RTL_GEN_RELOCATION_PACKET);
        uint8_t *place = program + 4 * (size_t)get32(entry + RTL_GEN_RELOCATION_ADDRESS);
        uint64_t moved = get64(place) + device->address;
        uint32_t crc;

        put32(place, (uint32_t)moved);
        put32(place + 4, (uint32_t)(moved >> 32));
        crc = crc32_more(0xFFFFFFFFu, packet, 4);
        crc = crc32_more(crc, packet + 8, 4 * (size_t)(get32(packet) & 0xFFFFu));
        put32(packet + 4, ~crc);
    }
}

static void open_windows(const struct rtl_gen_device *device, const uint8_t *file)
{
    const uint8_t *entry = windows_of(file);
    uint32_t count = header32(file, RTL_GEN_HEADER_WINDOWS);
    const uint32_t spacing = REGISTER(WINDOW1_FIRST_LOW) - REGISTER(WINDOW0_FIRST_LOW);

    for (uint32_t n = 0; n < RTL_GEN_WINDOWS; n++, entry += RTL_GEN_WINDOW_BYTES) {
        uint32_t access = 0;

        if (n < count) {
            uint64_t first = device->address + get64(entry + RTL_GEN_WINDOW_OFFSET);
            uint64_t last = first + get64(entry + RTL_GEN_WINDOW_SIZE) - 1;

            write64(device, REGISTER(WINDOW0_FIRST_LOW) + n * spacing, first);
            write64(device, REGISTER(WINDOW0_LAST_LOW) + n * spacing, last);
            access = get32(entry + RTL_GEN_WINDOW_ACCESS);
        }
        write32(device, REGISTER(WINDOW0_ACCESS) + n * spacing, access);
    }
}

int rtl_gen_open(struct rtl_gen_device *device, const struct rtl_gen_port *port, void *memory,
                 uint64_t bus_address, size_t memory_bytes)
{
    uint32_t versions;

    device->port = port;
    device->memory = memory;
    device->address = bus_address;
    device->bytes = memory_bytes;
    device->file = NULL;
    device->error = (struct rtl_gen_error){0, RTL_GEN_NO_ENGINE, 0};
    if (read32(device, REGISTER(IDENTITY)) != RTL_GEN__IDENTITY__VALUE_reset)
        return RTL_GEN_NO_ACCELERATOR;
    versions = read32(device, REGISTER(VERSIONS));
    if ((versions & RTL_GEN__VERSIONS__REGISTERS_bm) >> RTL_GEN__VERSIONS__REGISTERS_bp !=
        RTL_GEN_REGISTERS_VERSION)
        return RTL_GEN_OTHER_REGISTERS;
    if (bus_address % PAGE)
        return RTL_GEN_UNALIGNED_MEMORY;
    return RTL_GEN_OK;
}

int rtl_gen_load(struct rtl_gen_device *device, const void *file, size_t file_bytes)
{
    const uint8_t *bytes = file, *entry;
    uint64_t program;
    uint32_t segments;
    int status = check_file(bytes, file_bytes);

    if (!status)
        status = check_design(device, bytes);
    if (!status)
        status = check_tables(bytes, file_bytes);
    if (status)
        return status;
    if (get64(bytes + RTL_GEN_HEADER_MEMORY_BYTES) > device->bytes)
        return RTL_GEN_LITTLE_MEMORY;
    if (read32(device, REGISTER(STATUS)) & RTL_GEN__STATUS__RUNNING_bm)
        return RTL_GEN_BUSY;

    device->file = NULL;
    program = get64(bytes + RTL_GEN_HEADER_PROGRAM_OFFSET);
    segments = header32(bytes, RTL_GEN_HEADER_SEGMENTS);
    for (entry = segments_of(bytes); segments; segments--, entry += RTL_GEN_SEGMENT_BYTES) {
        const uint8_t *from = bytes + get64(entry + RTL_GEN_SEGMENT_FILE_OFFSET);
        uint8_t *to = device->memory + get64(entry + RTL_GEN_SEGMENT_OFFSET);
        size_t count = (size_t)get64(entry + RTL_GEN_SEGMENT_SIZE);

        for (size_t n = 0; n < count; n++)
            to[n] = from[n];
        if (segments == 1) /* the last is the program */
            relocate(device, bytes, to);
    }
    /* All of it: a dirty line anywhere would later be written over what the accelerator stored. */
    clean(device, device->memory, (size_t)get64(bytes + RTL_GEN_HEADER_MEMORY_BYTES));
    open_windows(device, bytes);
    write64(device, REGISTER(PROGRAM_LOW), device->address + program);
    write32(device, REGISTER(PROGRAM_WORDS), header32(bytes, RTL_GEN_HEADER_PROGRAM_WORDS));
    device->file = bytes;
    return RTL_GEN_OK;
}

/* ---- inputs and outputs */

int rtl_gen_tensor_at(const struct rtl_gen_device *device, uint32_t direction, uint32_t number,
                      struct rtl_gen_tensor *tensor)
{
    const uint8_t *entry;
    uint32_t count;

    if (!device->file)
        return RTL_GEN_NOT_LOADED;
    entry = tensors_of(device->file);
    count = header32(device->file, RTL_GEN_HEADER_TENSORS);
    for (; count; count--, entry += RTL_GEN_TENSOR_BYTES) {
        if (get32(entry + RTL_GEN_TENSOR_DIRECTION) != direction || number--)
            continue;
        tensor->name = names_of(device->file) + get32(entry + RTL_GEN_TENSOR_NAME);
        tensor->offset = get64(entry + RTL_GEN_TENSOR_OFFSET);
        tensor->bytes = get64(entry + RTL_GEN_TENSOR_SIZE);
        tensor->elements = get64(entry + RTL_GEN_TENSOR_ELEMENTS);
        tensor->rank = get32(entry + RTL_GEN_TENSOR_RANK);
        tensor->zero = (int32_t)get32(entry + RTL_GEN_TENSOR_ZERO);
        tensor->scale = get64(entry + RTL_GEN_TENSOR_SCALE);
        tensor->element = get32(entry + RTL_GEN_TENSOR_FORMAT);
        tensor->element_bytes = element_bytes(entry);
        tensor->entry = entry;
        for (uint32_t n = 0; n < RTL_GEN_SHAPE; n++)
            tensor->shape[n] = get32(entry + RTL_GEN_TENSOR_SHAPE + 4 * n);
        return RTL_GEN_OK;
    }
    return RTL_GEN_NO_TENSOR;
}

/* One element from an array into memory. The accelerator has int8 where an array has uint8: the top
 * bit is flipped. */
static void put_element(const struct rtl_gen_tensor *tensor, uint8_t *memory, const void *from,
                        uint64_t n)
{
    if (tensor->element == RTL_GEN_ELEMENT_INT32)
        put32(memory, ((const uint32_t *)from)[n]);
    else
        *memory = ((const uint8_t *)from)[n] ^
                  (uint8_t)(tensor->element == RTL_GEN_ELEMENT_UINT8 ? 0x80 : 0);
}

/* The reverse. */
static void get_element(const struct rtl_gen_tensor *tensor, const uint8_t *memory, void *to,
                        uint64_t n)
{
    if (tensor->element == RTL_GEN_ELEMENT_INT32)
        ((uint32_t *)to)[n] = get32(memory);
    else
        ((uint8_t *)to)[n] =
            *memory ^ (uint8_t)(tensor->element == RTL_GEN_ELEMENT_UINT8 ? 0x80 : 0);
}

/* Move all elements between an array and memory: counters of the axes go through the array in its
 * order, the last axis fastest, and say where in memory each element lies. */
static void move(const struct rtl_gen_tensor *tensor, uint8_t *memory, const void *from, void *to)
{
    uint32_t axes = get32(tensor->entry + RTL_GEN_TENSOR_AXES);
    uint32_t index[RTL_GEN_AXES] = {0}, within[RTL_GEN_AXES] = {0};
    uint64_t start[RTL_GEN_AXES] = {0}, place[RTL_GEN_AXES] = {0}, at = 0;

    for (uint64_t n = 0; n < tensor->elements; n++) {
        uint32_t axis = axes;

        if (from)
            put_element(tensor, memory + at, from, n);
        else
            get_element(tensor, memory + at, to, n);
        while (axis--) {
            const uint8_t *entry =
                tensor->entry + RTL_GEN_TENSOR_LAYOUT + (size_t)axis * RTL_GEN_AXIS_BYTES;

            at -= place[axis];
            if (++index[axis] == get32(entry + RTL_GEN_AXIS_SIZE)) { /* the next axis moves on */
                index[axis] = within[axis] = 0;
                start[axis] = place[axis] = 0;
                continue;
            }
            if (++within[axis] == get32(entry + RTL_GEN_AXIS_SPLIT)) {
                within[axis] = 0;
                start[axis] += get32(entry + RTL_GEN_AXIS_OUTER);
                place[axis] = start[axis];
            } else {
                place[axis] += get32(entry + RTL_GEN_AXIS_INNER);
            }
            at += place[axis];
            break;
        }
    }
}

int rtl_gen_write_input(struct rtl_gen_device *device, const char *name, const void *array,
                        size_t bytes)
{
    struct rtl_gen_tensor tensor;
    int status, found = 0;

    for (uint32_t n = 0; !(status = rtl_gen_tensor_at(device, RTL_GEN_INPUT, n, &tensor)); n++) {
        uint8_t *memory = device->memory + tensor.offset;

        if (!same_text(tensor.name, name))
            continue;
        if (tensor.elements * tensor.element_bytes != bytes)
            return RTL_GEN_WRONG_SIZE;
        move(&tensor, memory, array, NULL);
        clean(device, memory, (size_t)tensor.bytes);
        found = 1;
    }
    return status == RTL_GEN_NO_TENSOR && found ? RTL_GEN_OK : status;
}

int rtl_gen_read_output(struct rtl_gen_device *device, const char *name, void *array,
                        size_t bytes)
{
    struct rtl_gen_tensor tensor;
    int status;

    for (uint32_t n = 0; !(status = rtl_gen_tensor_at(device, RTL_GEN_OUTPUT, n, &tensor)); n++) {
        uint8_t *memory = device->memory + tensor.offset;

        if (!same_text(tensor.name, name))
            continue;
        if (tensor.elements * tensor.element_bytes != bytes)
            return RTL_GEN_WRONG_SIZE;
        invalidate(device, memory, (size_t)tensor.bytes);
        move(&tensor, memory, NULL, array);
        return RTL_GEN_OK;
    }
    return status;
}

/* ---- runs */

int rtl_gen_start(struct rtl_gen_device *device)
{
    if (!device->file)
        return RTL_GEN_NOT_LOADED;
    if (read32(device, REGISTER(STATUS)) & RTL_GEN__STATUS__RUNNING_bm)
        return RTL_GEN_BUSY;
    write32(device, REGISTER(INTERRUPT), EVENTS);
    write32(device, REGISTER(INTERRUPT_ENABLE), device->port->wait ? EVENTS : 0);
    write32(device, REGISTER(CONTROL), RTL_GEN__CONTROL__START_bm);
    return RTL_GEN_OK;
}

int rtl_gen_wait(struct rtl_gen_device *device)
{
    uint32_t status;

    if (!device->file)
        return RTL_GEN_NOT_LOADED;
    if (device->port->wait && device->port->wait(device->port->context))
        return RTL_GEN_NO_INTERRUPT;
    do /* ends: the accelerator's watchdog bounds every wait */
        status = read32(device, REGISTER(STATUS));
    while (status & RTL_GEN__STATUS__RUNNING_bm);
    write32(device, REGISTER(INTERRUPT), EVENTS);
    if (status & RTL_GEN__STATUS__ERROR_bm) {
        device->error.code =
            (status & RTL_GEN__STATUS__ERROR_CODE_bm) >> RTL_GEN__STATUS__ERROR_CODE_bp;
        device->error.engine =
            (status & RTL_GEN__STATUS__ERROR_ENGINE_bm) >> RTL_GEN__STATUS__ERROR_ENGINE_bp;
        device->error.descriptor = (status & RTL_GEN__STATUS__ERROR_DESCRIPTOR_bm) >>
                                   RTL_GEN__STATUS__ERROR_DESCRIPTOR_bp;
        rtl_gen_reset(device);
        return RTL_GEN_DEVICE_ERROR;
    }
    return status & RTL_GEN__STATUS__OVERFLOW_bm ? RTL_GEN_OVERFLOW : RTL_GEN_OK;
}

int rtl_gen_run(struct rtl_gen_device *device)
{
    int status = rtl_gen_start(device);

    return status ? status : rtl_gen_wait(device);
}

int rtl_gen_reset(struct rtl_gen_device *device)
{
    write32(device, REGISTER(CONTROL), RTL_GEN__CONTROL__RESET_bm);
    for (unsigned long n = 0; n < RESET_READS; n++)
        if (!(read32(device, REGISTER(CONTROL)) & RTL_GEN__CONTROL__RESET_bm))
            return RTL_GEN_OK;
    return RTL_GEN_BUSY;
}

uint32_t rtl_gen_counter(const struct rtl_gen_device *device, uint32_t counter)
{
    return read32(device, REGISTER(CYCLES_LOW) + 4 * counter);
}

uint64_t rtl_gen_cycles(const struct rtl_gen_device *device)
{
    return (uint64_t)rtl_gen_counter(device, RTL_GEN_COUNTER_CYCLES_HIGH) << 32 |
           rtl_gen_counter(device, RTL_GEN_COUNTER_CYCLES_LOW);
}

/* ---- words for numbers */

#define TEXT(name, number, text) \
    case number: \
        return text;

const char *rtl_gen_status_text(int status)
{
    switch (status) {
        RTL_GEN_STATUS_LIST(TEXT)
    default:
        return "unknown status";
    }
}

const char *rtl_gen_error_text(uint32_t code)
{
    switch (code) {
        RTL_GEN_ERROR_LIST(TEXT)
    default:
        return "unknown error";
    }
}

const char *rtl_gen_engine_name(uint32_t engine)
{
    switch (engine) {
        RTL_GEN_ENGINE_LIST(TEXT)
    default:
        return "none";
    }
}
