// Rules of AXI4 and AXI4-Lite that an accelerator can break, each as a bit that stays set.
//
// Source: ARM IHI 0022, "AMBA AXI and ACE Protocol Specification", sections A3.1.2 (reset),
// A3.2 (handshake), A3.4 (bursts) and B1.1 (AXI4-Lite). Names of the bits: RULES in
// rtl_gen/sim/result.py.

`default_nettype none

module axi_check #(
    parameter int DATA_WIDTH = 128
) (
    input wire aclk,
    input wire aresetn,
    input wire clear,

    input wire [             3:0] arid,
    input wire [            63:0] araddr,
    input wire [             7:0] arlen,
    input wire [             2:0] arsize,
    input wire [             1:0] arburst,
    input wire                    arvalid,
    input wire                    arready,
    input wire [             3:0] awid,
    input wire [            63:0] awaddr,
    input wire [             7:0] awlen,
    input wire [             2:0] awsize,
    input wire [             1:0] awburst,
    input wire                    awvalid,
    input wire                    awready,
    input wire [  DATA_WIDTH-1:0] wdata,
    input wire [DATA_WIDTH/8-1:0] wstrb,
    input wire                    wlast,
    input wire                    wvalid,
    input wire                    wready,

    input wire        lite_awvalid,
    input wire        lite_awready,
    input wire        lite_wvalid,
    input wire        lite_wready,
    input wire [ 1:0] lite_bresp,
    input wire        lite_bvalid,
    input wire        lite_bready,
    input wire        lite_arvalid,
    input wire        lite_arready,
    input wire [31:0] lite_rdata,
    input wire [ 1:0] lite_rresp,
    input wire        lite_rvalid,
    input wire        lite_rready,

    output reg [15:0] violations,
    output reg [63:0] violation_cycle,  // of the first, since the job began
    input wire [63:0] cycles
);

  localparam logic [2:0] FullSize = 3'($clog2(DATA_WIDTH / 8));
  localparam logic [1:0] Incr = 2'b01;

  // a valid that waits keeps its payload and stays
  localparam int ArBits = 4 + 64 + 8 + 3 + 2, WBits = DATA_WIDTH + DATA_WIDTH / 8 + 1;
  wire [ArBits-1:0] ar = {arid, araddr, arlen, arsize, arburst};
  wire [ArBits-1:0] aw = {awid, awaddr, awlen, awsize, awburst};
  wire [WBits-1:0] w = {wdata, wstrb, wlast};
  logic [ArBits-1:0] ar_before, aw_before;
  logic [WBits-1:0] w_before;
  logic [1:0] b_before;
  logic [33:0] r_before;
  logic ar_waited, aw_waited, w_waited, b_waited, r_waited;

  function automatic logic crosses(input logic [11:0] address, input logic [7:0] length);
    return (16'(length) << FullSize) > {4'd0, ~address};  // beyond the page's last byte
  endfunction

  // lengths of write bursts, in order, for the place of WLAST
  logic [7:0] lengths[256];
  logic [7:0] length_head, length_tail;
  logic [7:0] w_done;
  logic [7:0] ends[256];  // beats less one of bursts whose address is not yet known
  logic [7:0] end_head, end_tail;

  // requests that the AXI4-Lite port has taken and not answered
  logic [7:0] lite_writes, lite_data, lite_reads;
  wire lite_b = lite_bvalid && lite_bready, lite_r = lite_rvalid && lite_rready;

  // No valid from the second cycle of a reset on: the first ends with the edge that resets. A job
  // begins, and clears, behind its reset; what was wrong in it is kept until then.
  logic reset_before, wrong_in_reset;
  wire any_valid = arvalid || awvalid || wvalid || lite_bvalid || lite_rvalid;

  wire length_known = length_head != length_tail, end_known = end_head != end_tail;
  logic [15:0] broken;
  always_comb begin
    broken = 0;
    broken[0] = ar_waited && (!arvalid || ar != ar_before);
    broken[1] = aw_waited && (!awvalid || aw != aw_before);
    broken[2] = w_waited && (!wvalid || w != w_before);
    broken[3] = arvalid && (arsize != FullSize || arburst != Incr);
    broken[4] = awvalid && (awsize != FullSize || awburst != Incr);
    broken[5] = arvalid && crosses(araddr[11:0], arlen);
    broken[6] = awvalid && crosses(awaddr[11:0], awlen);
    broken[7] = length_known && end_known && lengths[length_head] != ends[end_head];
    broken[8] = b_waited && (!lite_bvalid || lite_bresp != b_before);
    broken[9] = r_waited && (!lite_rvalid || {lite_rresp, lite_rdata} != r_before);
    broken[10] = lite_bvalid && (lite_writes == 0 || lite_data == 0);
    broken[11] = lite_rvalid && lite_reads == 0;
    broken[12] = clear && wrong_in_reset;
  end

  always_ff @(posedge aclk) begin
    reset_before <= !aresetn;
    if (!aresetn && reset_before && any_valid) wrong_in_reset <= 1;
    else if (clear) wrong_in_reset <= 0;
  end

  always_ff @(posedge aclk) begin
    if (!aresetn) begin
      {ar_waited, aw_waited, w_waited, b_waited, r_waited} <= 0;
      {length_head, length_tail, end_head, end_tail, w_done} <= 0;
      {lite_writes, lite_data, lite_reads} <= 0;
    end else begin
      ar_waited <= arvalid && !arready;
      aw_waited <= awvalid && !awready;
      w_waited <= wvalid && !wready;
      b_waited <= lite_bvalid && !lite_bready;
      r_waited <= lite_rvalid && !lite_rready;
      if (arvalid) ar_before <= ar;
      if (awvalid) aw_before <= aw;
      if (wvalid) w_before <= w;
      b_before <= lite_bresp;
      r_before <= {lite_rresp, lite_rdata};

      lengths[length_tail] <= awlen;
      ends[end_tail] <= w_done;
      if (awvalid && awready) length_tail <= length_tail + 1;
      if (wvalid && wready) w_done <= wlast ? 0 : w_done + 1;
      if (wvalid && wready && wlast) end_tail <= end_tail + 1;
      if (length_known && end_known) begin
        length_head <= length_head + 1;
        end_head <= end_head + 1;
      end

      lite_writes <= lite_writes + 8'(lite_awvalid && lite_awready) - 8'(lite_b);
      lite_data <= lite_data + 8'(lite_wvalid && lite_wready) - 8'(lite_b);
      lite_reads <= lite_reads + 8'(lite_arvalid && lite_arready) - 8'(lite_r);
    end
  end

  always_ff @(posedge aclk) begin
    if (clear) begin
      violations <= broken & (16'd1 << 12);
      violation_cycle <= broken[12] ? 0 : '1;
    end else if (aresetn && broken != 0) begin
      violations <= violations | broken;
      if (violations == 0) violation_cycle <= cycles;
    end
  end

endmodule

`default_nettype wire
