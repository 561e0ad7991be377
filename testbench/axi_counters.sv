// What moved on an AXI4 port, counted at the port: an accelerator's own counters are held to these.

`default_nettype none

module axi_counters #(
    parameter int DATA_WIDTH = 128
) (
    input wire aclk,
    input wire aresetn,
    input wire clear,

    input wire                    arvalid,
    input wire                    arready,
    input wire                    rlast,
    input wire                    rvalid,
    input wire                    rready,
    input wire                    awvalid,
    input wire                    awready,
    input wire [DATA_WIDTH/8-1:0] wstrb,
    input wire                    wvalid,
    input wire                    wready,
    input wire                    bvalid,
    input wire                    bready,
    input wire [             1:0] rresp,
    input wire [             1:0] bresp,

    output reg [63:0] read_bursts,
    output reg [63:0] read_beats,
    output reg [63:0] write_bursts,
    output reg [63:0] write_beats,
    output reg [63:0] write_bytes,   // strobes that were high
    output reg [63:0] both_beats,    // cycles in which a read and a write beat moved
    output reg [63:0] ar_held,       // cycles of valid without ready
    output reg [63:0] r_held,
    output reg [63:0] aw_held,
    output reg [63:0] w_held,
    output reg [63:0] b_held,
    output reg [63:0] error_beats,   // read beats and write responses other than OKAY
    output reg [15:0] reads_open,    // bursts asked for whose last beat has not moved
    output reg [15:0] writes_open    // bursts asked for whose response has not moved
);

  wire r_moves = rvalid && rready, w_moves = wvalid && wready, b_moves = bvalid && bready;
  wire r_fails = r_moves && rresp != 0, b_fails = b_moves && bresp != 0;

  always_ff @(posedge aclk) begin
    if (clear) begin
      {read_bursts, read_beats, write_bursts, write_beats, write_bytes, both_beats} <= 0;
      {ar_held, r_held, aw_held, w_held, b_held, error_beats} <= 0;
    end else begin
      if (arvalid && arready) read_bursts <= read_bursts + 1;
      if (awvalid && awready) write_bursts <= write_bursts + 1;
      if (r_moves) read_beats <= read_beats + 1;
      if (w_moves) write_beats <= write_beats + 1;
      if (w_moves) write_bytes <= write_bytes + 64'($countones(wstrb));
      if (r_moves && w_moves) both_beats <= both_beats + 1;
      if (arvalid && !arready) ar_held <= ar_held + 1;
      if (rvalid && !rready) r_held <= r_held + 1;
      if (awvalid && !awready) aw_held <= aw_held + 1;
      if (wvalid && !wready) w_held <= w_held + 1;
      if (bvalid && !bready) b_held <= b_held + 1;
      if (r_fails || b_fails) error_beats <= error_beats + 64'(r_fails) + 64'(b_fails);
    end
  end

  always_ff @(posedge aclk) begin
    if (!aresetn) {reads_open, writes_open} <= 0;
    else begin
      reads_open <= reads_open + 16'(arvalid && arready) - 16'(r_moves && rlast);
      writes_open <= writes_open + 16'(awvalid && awready) - 16'(b_moves);
    end
  end

endmodule

`default_nettype wire
