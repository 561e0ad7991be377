// Notes every so many cycles, and as the interrupt rises, what each engine has done since the job
// began (rtl_gen/sim/activity.py).

`default_nettype none

module activity (
    input  wire                   aclk,
    input  wire                   begins,   // a job
    input  wire        [31:0]     every,    // cycles from note to note; 0: none
    input  wire                   interrupt,
    input  wire        [63:0]     cycles,   // since the job's script began
    input  wire [9:0][4:0] [31:0] engines,
    output reg                    sample    // the engines' counts are there a cycle later
);
  import "DPI-C" function void activity_note(input longint cycle, input bit [1599:0] engines);

  logic [31:0] left;
  logic [63:0] cycle;
  logic sampled, interrupt_before;
  always_ff @(posedge aclk) begin
    sample <= 0;
    sampled <= sample;
    interrupt_before <= interrupt;
    if (begins) left <= every;
    else if (every != 0) begin
      left <= left - 1;
      if (left == 1) left <= every;
      if (left == 1 || (interrupt && !interrupt_before)) begin
        sample <= 1;
        cycle  <= cycles;
      end
    end
    if (sampled && every != 0) activity_note(cycle, engines);
  end
endmodule

`default_nettype wire
