/* Driver of accelerators that rtl-gen generates: loads program files and runs them.
 *
 * C99, freestanding: no library is called, nothing is allocated. It serves every design; what
 * differs stands in the accelerator's first registers and in the program file. rtl_gen_registers.h
 * and rtl_gen_program.h are generated from the same description as the hardware.
 *
 *     static struct rtl_gen_port port = {.read32 = rtl_gen_mmio_read32,
 *                                        .write32 = rtl_gen_mmio_write32};
 *     struct rtl_gen_device device;
 *     port.context = (void *)0x40000000;
 *     status = rtl_gen_open(&device, &port, memory, bus_address, sizeof memory);
 *     if (!status) status = rtl_gen_load(&device, file, file_bytes);
 *     if (!status) status = rtl_gen_write_input(&device, "image", image, sizeof image);
 *     if (!status) status = rtl_gen_run(&device);
 *     if (!status) status = rtl_gen_read_output(&device, "scores", scores, sizeof scores);
 *
 * Every function that returns an int returns RTL_GEN_OK, which is 0, or another status of
 * rtl_gen_program.h; rtl_gen_status_text says what it means. One thread at a time may use a device.
 */

#ifndef RTL_GEN_H
#define RTL_GEN_H

#include <stddef.h>
#include <stdint.h>

#include "rtl_gen_program.h"

#ifdef __cplusplus
extern "C" {
#endif

/* How a system reaches an accelerator. Those that may be NULL are marked. */
struct rtl_gen_port {
    void *context; /* given to each of these */
    uint32_t (*read32)(void *context, uint32_t offset);
    void (*write32)(void *context, uint32_t offset, uint32_t value);
    /* Write back what caches hold of these bytes, and wait until memory has it; or NULL. */
    void (*clean)(void *context, const void *start, size_t bytes);
    /* Forget what caches hold of these bytes; or NULL. */
    void (*invalidate)(void *context, const void *start, size_t bytes);
    /* Return 0 when the interrupt has come, else the wait is given up. NULL: STATUS is polled. */
    int (*wait)(void *context);
};

/* Registers that lie in the address space of the processor: context is where they begin. */
uint32_t rtl_gen_mmio_read32(void *context, uint32_t offset);
void rtl_gen_mmio_write32(void *context, uint32_t offset, uint32_t value);

/* Why a run ended before its last layer. */
struct rtl_gen_error {
    uint32_t code;       /* rtl_gen_error_text says what it means */
    uint32_t engine;     /* rtl_gen_engine_name */
    uint32_t descriptor; /* which of the engine's in the run, from 0 */
};

/* An accelerator; all of it belongs to the driver. */
struct rtl_gen_device {
    const struct rtl_gen_port *port;
    uint8_t *memory;
    uint64_t address;
    size_t bytes;
    const uint8_t *file; /* of the program that is loaded, or NULL */
    struct rtl_gen_error error;
};

/* An input or output of a program. */
struct rtl_gen_tensor {
    const char *name;
    uint64_t offset;   /* in memory */
    uint64_t bytes;    /* there */
    uint64_t elements; /* of the array */
    uint32_t rank;
    uint32_t shape[RTL_GEN_SHAPE];
    int32_t zero;
    uint64_t scale; /* bits of a double: a value means scale * (value - zero) */
    uint32_t element;       /* RTL_GEN_ELEMENT_INT8, _UINT8 or _INT32 */
    uint32_t element_bytes; /* of one, in an array */
    const uint8_t *entry;
};

/* Find an accelerator. The memory, which it shares with the processor, begins at bus_address for
 * the accelerator and at memory for the processor; both are whole pages of 4 KiB. */
int rtl_gen_open(struct rtl_gen_device *device, const struct rtl_gen_port *port, void *memory,
                 uint64_t bus_address, size_t memory_bytes);

/* Check a program file and put its program into memory. The file must stay as long as the program
 * is used; it may lie anywhere, in read-only memory too. */
int rtl_gen_load(struct rtl_gen_device *device, const void *file, size_t file_bytes);

/* Input or output number `number`, from 0, of the program; RTL_GEN_NO_TENSOR behind the last. An
 * input that lies in memory several times stands there as often. */
int rtl_gen_tensor_at(const struct rtl_gen_device *device, uint32_t direction, uint32_t number,
                      struct rtl_gen_tensor *tensor);

/* Give an input: an array in the order of C, of the shape and of the elements (int8_t, uint8_t or
 * int32_t) that the network's file has; bytes: its size. */
int rtl_gen_write_input(struct rtl_gen_device *device, const char *name, const void *array,
                        size_t bytes);

/* Take an output, of the last run. */
int rtl_gen_read_output(struct rtl_gen_device *device, const char *name, void *array,
                        size_t bytes);

/* Start a run and return; rtl_gen_wait ends it. */
int rtl_gen_start(struct rtl_gen_device *device);

/* Wait for the end of a run. On RTL_GEN_DEVICE_ERROR device->error says why, and the accelerator
 * has been reset. */
int rtl_gen_wait(struct rtl_gen_device *device);

/* rtl_gen_start and rtl_gen_wait. */
int rtl_gen_run(struct rtl_gen_device *device);

/* End whatever goes on. The program stays. */
int rtl_gen_reset(struct rtl_gen_device *device);

/* Counter number `counter` (RTL_GEN_COUNTER_...) of the last run, and its cycles. */
uint32_t rtl_gen_counter(const struct rtl_gen_device *device, uint32_t counter);
uint64_t rtl_gen_cycles(const struct rtl_gen_device *device);

const char *rtl_gen_status_text(int status);
const char *rtl_gen_error_text(uint32_t code);
const char *rtl_gen_engine_name(uint32_t engine);

#ifdef __cplusplus
}
#endif

#endif
