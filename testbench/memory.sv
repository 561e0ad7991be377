// AXI4 memory with a latency, a bandwidth and random stalls, for benches only.
//
// Bytes live in a mapped file (storage.cpp), so that Python fills and reads them without
// simulated time. Bursts are INCR and as wide as the bus; others are answered with SLVERR, as is a
// WLAST out of place. Reads come back in the order of their addresses, whatever their id. Ready
// signals come from registers.
//
// latency    cycles from the address' transfer to the first beat's (2 or more), and from the last
//            written beat's transfer to its response's (3 or more), when nothing queues
// bandwidth  beats a cycle, reads and writes together, in 1/256; both in turn when both want
// stall_*    how many cycles in 1000 a channel stalls: no ready, or no new valid; at random, anew
//            from the seed at reseed
// error_*    addresses error_first..error_last answer error_response (0: none do);
//            addresses outside the file answer DECERR

`default_nettype none

module memory #(
    parameter int DATA_WIDTH = 128,
    parameter int MAX_BURSTS = 64  // in flight, each way; a power of two
) (
    input wire aclk,
    input wire aresetn,

    input  wire [             3:0] arid,
    input  wire [            63:0] araddr,
    input  wire [             7:0] arlen,
    input  wire [             2:0] arsize,
    input  wire [             1:0] arburst,
    input  wire                    arvalid,
    output reg                     arready,
    output reg  [             3:0] rid,
    output reg  [  DATA_WIDTH-1:0] rdata,
    output reg  [             1:0] rresp,
    output reg                     rlast,
    output reg                     rvalid,
    input  wire                    rready,
    input  wire [             3:0] awid,
    input  wire [            63:0] awaddr,
    input  wire [             7:0] awlen,
    input  wire [             2:0] awsize,
    input  wire [             1:0] awburst,
    input  wire                    awvalid,
    output reg                     awready,
    input  wire [  DATA_WIDTH-1:0] wdata,
    input  wire [DATA_WIDTH/8-1:0] wstrb,
    input  wire                    wlast,
    input  wire                    wvalid,
    output reg                     wready,
    output reg  [             3:0] bid,
    output reg  [             1:0] bresp,
    output reg                     bvalid,
    input  wire                    bready,

    input wire [31:0] latency,
    input wire [15:0] bandwidth,
    input wire [ 9:0] stall_ar,
    input wire [ 9:0] stall_r,
    input wire [ 9:0] stall_aw,
    input wire [ 9:0] stall_w,
    input wire [ 9:0] stall_b,
    input wire [63:0] seed,
    input wire        reseed,
    input wire [63:0] error_first,
    input wire [63:0] error_last,
    input wire [ 1:0] error_response
);

  import "DPI-C" function void storage_open(input string path, input longint base);
  import "DPI-C" function bit storage_holds(input longint address);
  import "DPI-C" function longint storage_read(input longint address);
  import "DPI-C" function void storage_write(input longint address, input longint data,
                                             input byte strobe);

  localparam int Words = DATA_WIDTH / 64;  // of the storage
  localparam int ByteBits = $clog2(DATA_WIDTH / 8);
  localparam int SlotBits = $clog2(MAX_BURSTS);
  localparam int BeatSlots = 8;  // written beats waiting for their turn
  localparam logic [15:0] Beat = 16'd256;  // one beat, in units of bandwidth
  localparam logic [1:0] Okay = 2'b00, Slverr = 2'b10, Decerr = 2'b11;
  localparam logic [4:0] FullIncr = {3'(ByteBits), 2'b01};  // size and kind of a burst

  initial begin
    string  path;
    longint base;
    if (!$value$plusargs("memory=%s", path)) $fatal(1, "+memory=FILE is missing");
    if (!$value$plusargs("memory_base=%h", base)) base = 0;
    storage_open(path, base);
  end

  function automatic logic [1:0] response(input logic [63:0] address);
    if (!storage_holds(address)) return Decerr;
    if (error_response != Okay && address >= error_first && address <= error_last)
      return error_response;
    return Okay;
  endfunction

  logic [63:0] now;
  always_ff @(posedge aclk) now <= aresetn ? now + 1 : 0;

  // ---- random stalls: xorshift, a slice of it per channel

  logic [63:0] noise;
  function automatic logic [63:0] next_noise(input logic [63:0] x);
    logic [63:0] y = x;
    y ^= y << 13;
    y ^= y >> 7;
    y ^= y << 17;
    return y;
  endfunction
  function automatic logic stalls(input logic [11:0] random, input logic [9:0] per_mille);
    return 22'(random) * 22'd1000 < {per_mille, 12'd0};
  endfunction

  always_ff @(posedge aclk) begin
    if (reseed) noise <= seed == 0 ? 64'h9e37_79b9_7f4a_7c15 : seed;
    else if ((stall_ar | stall_r | stall_aw | stall_w | stall_b) != 0) noise <= next_noise(noise);
  end
  wire ar_stalls = stalls(noise[11:0], stall_ar);
  wire r_stalls = stalls(noise[23:12], stall_r);
  wire aw_stalls = stalls(noise[35:24], stall_aw);
  wire w_stalls = stalls(noise[47:36], stall_w);
  wire b_stalls = stalls(noise[59:48], stall_b);

  // ---- bandwidth: credit in 1/256 beats, at most a fraction of a beat is saved up

  logic [15:0] credit;
  logic write_first;  // who goes first when only one can
  logic read_wants, write_wants;
  wire [16:0] available = {1'b0, credit} + {1'b0, bandwidth};
  wire one_beat = available >= {1'b0, Beat};
  wire two_beats = available >= {1'b0, Beat} * 2;
  wire read_beat = read_wants && one_beat && (two_beats || !write_wants || !write_first);
  wire write_beat = write_wants && one_beat && (two_beats || !read_wants || write_first);
  wire [16:0] spent = (17'(read_beat) + 17'(write_beat)) * {1'b0, Beat};
  wire [16:0] saved = available - spent;

  always_ff @(posedge aclk) begin
    if (!aresetn || reseed) begin
      credit <= 0;
      write_first <= 0;
    end else begin
      credit <= saved >= {1'b0, Beat} ? Beat - 1 : saved[15:0];
      if (read_beat != write_beat) write_first <= read_beat;
    end
  end

  // ---- reads

  logic [63:0] read_address[MAX_BURSTS];
  logic [63:0] read_time[MAX_BURSTS];
  logic [7:0] read_length[MAX_BURSTS];
  logic [3:0] read_id[MAX_BURSTS];
  logic read_bad[MAX_BURSTS];
  logic [SlotBits-1:0] read_head, read_tail;
  logic [SlotBits:0] read_bursts, read_bursts_next;
  logic [7:0] read_done;  // beats of the head burst that are served

  wire ar_moves = arvalid && arready;
  wire read_ends = read_beat && read_done == read_length[read_head];
  wire [63:0] read_from = {read_address[read_head][63:ByteBits], {ByteBits{1'b0}}}
      + (64'(read_done) << ByteBits);
  assign read_wants = read_bursts != 0 && now >= read_time[read_head] && (!rvalid || rready)
      && !r_stalls;
  assign read_bursts_next = read_bursts + (SlotBits+1)'(ar_moves) - (SlotBits+1)'(read_ends);

  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      {arready, rvalid} <= 0;
      {read_head, read_tail, read_bursts, read_done} <= 0;
    end else begin
      arready <= read_bursts_next < (SlotBits+1)'(MAX_BURSTS) && !ar_stalls;
      read_bursts <= read_bursts_next;
      if (ar_moves) begin
        read_address[read_tail] <= araddr;
        read_length[read_tail] <= arlen;
        read_id[read_tail] <= arid;
        read_bad[read_tail] <= {arsize, arburst} != FullIncr;
        read_time[read_tail] <= now + 64'(latency) - 1;
        read_tail <= read_tail + 1;
      end
      if (rready) rvalid <= 0;
      if (read_beat) begin
        rvalid <= 1;
        rid <= read_id[read_head];
        rlast <= read_ends;
        rresp <= response(read_from) | (read_bad[read_head] ? Slverr : Okay);
        for (int i = 0; i < Words; i++) rdata[i*64+:64] <= storage_read(read_from + 64'(8 * i));
        read_done <= read_ends ? 0 : read_done + 1;
        if (read_ends) read_head <= read_head + 1;
      end
    end
  end

  // ---- writes: addresses and beats queue apart, as either may come first

  logic [63:0] write_address[MAX_BURSTS];
  logic [7:0] write_length[MAX_BURSTS];
  logic [3:0] write_id[MAX_BURSTS];
  logic write_bad[MAX_BURSTS];
  logic [SlotBits-1:0] write_head, write_tail;
  logic [SlotBits:0] write_bursts;  // addresses whose last beat is not yet stored
  logic [SlotBits:0] writes, writes_next;  // addresses whose response has not left the queue
  logic [7:0] write_done;

  logic [DATA_WIDTH-1:0] beat_data[BeatSlots];
  logic [DATA_WIDTH/8-1:0] beat_strobe[BeatSlots];
  logic beat_last[BeatSlots];
  logic [2:0] beat_head, beat_tail;
  logic [3:0] beats, beats_next;

  logic [63:0] response_time[MAX_BURSTS];
  logic [1:0] response_kind[MAX_BURSTS];
  logic [3:0] response_id[MAX_BURSTS];
  logic [SlotBits-1:0] response_head, response_tail;
  logic [SlotBits:0] responses;

  wire b_starts = responses != 0 && now >= response_time[response_head] && (!bvalid || bready)
      && !b_stalls;

  wire aw_moves = awvalid && awready;
  wire w_moves = wvalid && wready;
  wire write_ends = write_beat && write_done == write_length[write_head];
  wire [63:0] write_to = {write_address[write_head][63:ByteBits], {ByteBits{1'b0}}}
      + (64'(write_done) << ByteBits);
  assign write_wants = write_bursts != 0 && beats != 0;
  assign writes_next = writes + (SlotBits+1)'(aw_moves) - (SlotBits+1)'(b_starts);
  assign beats_next = beats + 4'(w_moves) - 4'(write_beat);

  logic [1:0] worst;  // response of the beats stored so far
  wire bad_beat = write_bad[write_head] || beat_last[beat_head] != write_ends;
  wire [1:0] write_response = worst
      | (write_beat ? response(write_to) | (bad_beat ? Slverr : Okay) : Okay);

  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      {awready, wready} <= 0;
      {write_head, write_tail, write_bursts, writes, write_done} <= 0;
      {beat_head, beat_tail, beats} <= 0;
      worst <= Okay;
    end else begin
      awready <= writes_next < (SlotBits+1)'(MAX_BURSTS) && !aw_stalls;
      wready <= beats_next < 4'(BeatSlots) && !w_stalls;
      writes <= writes_next;
      beats <= beats_next;
      write_bursts <= write_bursts + (SlotBits+1)'(aw_moves) - (SlotBits+1)'(write_ends);
      if (aw_moves) begin
        write_address[write_tail] <= awaddr;
        write_length[write_tail] <= awlen;
        write_id[write_tail] <= awid;
        write_bad[write_tail] <= {awsize, awburst} != FullIncr;
        write_tail <= write_tail + 1;
      end
      if (w_moves) begin
        beat_data[beat_tail] <= wdata;
        beat_strobe[beat_tail] <= wstrb;
        beat_last[beat_tail] <= wlast;
        beat_tail <= beat_tail + 1;
      end
      if (write_beat) begin
        for (int i = 0; i < Words; i++)
          storage_write(write_to + 64'(8 * i), beat_data[beat_head][i*64+:64],
                        beat_strobe[beat_head][i*8+:8]);
        beat_head <= beat_head + 1;
        write_done <= write_ends ? 0 : write_done + 1;
        worst <= write_ends ? Okay : write_response;
        if (write_ends) write_head <= write_head + 1;
      end
    end
  end

  // ---- write responses

  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      bvalid <= 0;
      {response_head, response_tail, responses} <= 0;
    end else begin
      responses <= responses + (SlotBits+1)'(write_ends) - (SlotBits+1)'(b_starts);
      if (write_ends) begin
        response_time[response_tail] <= now + 64'(latency) - 2;
        response_kind[response_tail] <= write_response;
        response_id[response_tail] <= write_id[write_head];
        response_tail <= response_tail + 1;
      end
      if (bready) bvalid <= 0;
      if (b_starts) begin
        bvalid <= 1;
        bid <= response_id[response_head];
        bresp <= response_kind[response_head];
        response_head <= response_head + 1;
      end
    end
  end

endmodule

`default_nettype wire
