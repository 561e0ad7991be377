// AXI4-Lite host that plays a script of register accesses, for benches only.
//
// The script and its results live in a mapped file (storage.cpp), so that Python sleeps while a job
// runs. An entry is a 64-bit word {operation[63:56], address[43:32], data[31:0]}:
//
//   0 end
//   1 write           register[address] = data
//   2 read            register[address] is appended to the results
//   3 poll            read until (value & mask) == expected; the next word is {mask, expected}
//   4 wait_interrupt  until the interrupt is high
//   5 idle            data cycles
//   6 stamp           the cycle is appended to the results
//   7 poll_at_least   as poll, until (value & mask) >= expected
//
// start and done are a four-phase handshake: start rises, the script plays, done rises with
// status, start falls, done falls. The clock may stop while start == done.

`default_nettype none

module host (
    input  wire aclk,
    output reg  aresetn,

    input  wire        start,
    input  wire        reset,        // hold aresetn low for 16 cycles before the script
    input  wire [63:0] cycle_limit,  // the job ends as timed out at this cycle
    input  wire [ 9:0] stall,        // per mille: of each valid's delay, of no ready
    input  wire [63:0] seed,
    output reg         begins,       // high in the first cycle of a job
    output reg         done,
    output reg  [ 1:0] status,       // 1 ended, 2 timed out, 3 unknown entry
    output reg  [31:0] position,     // index of the entry being played
    output reg  [63:0] cycles,       // since the script began
    output reg  [63:0] interrupt_cycle,  // of the first rise; all ones: none
    output reg  [31:0] errors,       // responses other than OKAY
    output reg  [31:0] error_position,   // of the first of them

    output reg  [11:0] awaddr,
    output reg         awvalid,
    input  wire        awready,
    output reg  [31:0] wdata,
    output wire [ 3:0] wstrb,
    output reg         wvalid,
    input  wire        wready,
    input  wire [ 1:0] bresp,
    input  wire        bvalid,
    output reg         bready,
    output reg  [11:0] araddr,
    output reg         arvalid,
    input  wire        arready,
    input  wire [31:0] rdata,
    input  wire [ 1:0] rresp,
    input  wire        rvalid,
    output reg         rready,
    input  wire        interrupt
);

  import "DPI-C" function void host_open(input string path);
  import "DPI-C" function void host_begin();
  import "DPI-C" function longint host_entry(input int position);
  import "DPI-C" function void host_result(input longint value);
  import "DPI-C" function void host_progress(input longint cycles, input int position);

  typedef enum logic [7:0] {End, Write, Read, Poll, WaitInterrupt, Idle, Stamp, PollAtLeast} operation_t;
  typedef enum logic [3:0] {
    Asleep, Resetting, Fetching, Writing, Reading, Polling, Waiting, Idling, Ended
  } state_t;
  localparam logic [1:0] StatusEnded = 1, StatusTimeout = 2, StatusUnknown = 3;
  localparam logic [31:0] ResetCycles = 16;

  initial begin
    string path;
    if (!$value$plusargs("host=%s", path)) $fatal(1, "+host=FILE is missing");
    host_open(path);
    aresetn = 0;
  end

  assign wstrb = '1;

  state_t state;
  logic [31:0] count;  // cycles left to wait
  logic [31:0] mask, expected;
  logic at_least;
  wire polled = at_least ? (rdata & mask) >= expected : (rdata & mask) == expected;
  logic aw_waits, w_waits, ar_waits;  // to be raised after a random delay
  logic interrupt_before;

  // ---- random delays: xorshift

  logic [63:0] noise;
  function automatic logic [63:0] next_noise(input logic [63:0] x);
    logic [63:0] y = x;
    y ^= y << 13;
    y ^= y >> 7;
    y ^= y << 17;
    return y;
  endfunction
  function automatic logic stalls(input logic [11:0] random);
    return 22'(random) * 22'd1000 < {stall, 12'd0};
  endfunction

  always_ff @(posedge aclk) begin
    if (begins) noise <= seed == 0 ? 64'hd1b5_4a32_d192_ed03 : seed;
    else if (stall != 0) noise <= next_noise(noise);
  end
  wire aw_stalls = stalls(noise[11:0]);
  wire w_stalls = stalls(noise[23:12]);
  wire ar_stalls = stalls(noise[35:24]);
  wire b_stalls = stalls(noise[47:36]);
  wire r_stalls = stalls(noise[59:48]);

  // ---- the script

  task automatic advance(input logic [31:0] words);
    position <= position + words;
    state <= Fetching;
  endtask

  task automatic finish(input logic [1:0] how);
    status <= how;
    done <= 1;
    state <= Ended;
    host_progress(cycles, position);
  endtask

  task automatic start_read(input logic [11:0] address);
    araddr <= address;
    {arvalid, ar_waits} <= {!ar_stalls, ar_stalls};
  endtask

  task automatic note_response(input logic [1:0] response);
    if (response != 0) begin
      if (errors == 0) error_position <= position;
      errors <= errors + 1;
    end
  endtask

  task automatic play(input logic [63:0] entry);
    if (entry[55:44] != 0) finish(StatusUnknown);
    else case (entry[63:56])
      8'(End): finish(StatusEnded);
      8'(Write): begin
        awaddr <= entry[43:32];
        wdata <= entry[31:0];
        {awvalid, aw_waits} <= {!aw_stalls, aw_stalls};
        {wvalid, w_waits} <= {!w_stalls, w_stalls};
        state <= Writing;
      end
      8'(Read): begin
        start_read(entry[43:32]);
        state <= Reading;
      end
      8'(Poll), 8'(PollAtLeast): begin
        at_least <= entry[63:56] == 8'(PollAtLeast);
        {mask, expected} <= host_entry(position + 1);
        start_read(entry[43:32]);
        state <= Polling;
      end
      8'(WaitInterrupt): state <= Waiting;
      8'(Idle): begin
        count <= entry[31:0];
        state <= Idling;
      end
      8'(Stamp): begin
        host_result(cycles);
        position <= position + 1;
      end
      default: finish(StatusUnknown);
    endcase
  endtask

  wire running = state != Asleep && state != Resetting && state != Ended;

  always_ff @(posedge aclk) begin
    begins <= 0;
    if (running) cycles <= cycles + 1;
    if (running && cycles >= cycle_limit) finish(StatusTimeout);
    else
      case (state)
        Asleep:
        if (start) begin
          {cycles, position, errors} <= 0;
          error_position <= '1;
          host_begin();
          if (reset) aresetn <= 0;
          if (!reset && aresetn) begins <= 1;
          count <= ResetCycles;
          state <= reset || !aresetn ? Resetting : Fetching;
        end

        Resetting: begin
          {awvalid, wvalid, arvalid, bready, rready} <= 0;
          {aw_waits, w_waits, ar_waits} <= 0;
          count <= count - 1;
          if (count == 1) begin
            aresetn <= 1;
            begins <= 1;
            state <= Fetching;
          end
        end

        Fetching: play(host_entry(position));

        Writing: begin
          if (awvalid && awready) awvalid <= 0;
          if (wvalid && wready) wvalid <= 0;
          if (aw_waits && !aw_stalls) {awvalid, aw_waits} <= 2'b10;
          if (w_waits && !w_stalls) {wvalid, w_waits} <= 2'b10;
          bready <= !b_stalls;
          if (bvalid && bready) begin
            note_response(bresp);
            bready <= 0;
            advance(1);
          end
        end

        Reading, Polling: begin
          if (arvalid && arready) arvalid <= 0;
          if (ar_waits && !ar_stalls) {arvalid, ar_waits} <= 2'b10;
          rready <= !r_stalls;
          if (rvalid && rready) begin
            note_response(rresp);
            rready <= 0;
            if (state == Reading) host_result({30'd0, rresp, rdata});
            if (state == Polling && !polled) start_read(araddr);
            else advance(state == Polling ? 2 : 1);
          end
        end

        Waiting: if (interrupt) advance(1);

        Idling: begin
          count <= count - 1;
          if (count <= 1) advance(1);
        end

        default:  // Ended
        if (!start) begin
          done <= 0;
          state <= Asleep;
        end
      endcase
  end

  always_ff @(posedge aclk) begin
    interrupt_before <= interrupt;
    if (begins) interrupt_cycle <= '1;
    else if (running && interrupt && !interrupt_before && (&interrupt_cycle))
      interrupt_cycle <= cycles;
    if (running && cycles[15:0] == 0) host_progress(cycles, position);
  end

endmodule

`default_nettype wire
