// The copier, with a register at 3FC whose bits each break one rule of testbench/axi_check.sv.
// Bits 5 and 6 break none: a burst crosses a page if it is told to.

`default_nettype none

module faulty (
    input wire aclk,
    input wire aresetn,

    output wire [  3:0] m_axi_arid,
    output wire [ 63:0] m_axi_araddr,
    output wire [  7:0] m_axi_arlen,
    output wire [  2:0] m_axi_arsize,
    output wire [  1:0] m_axi_arburst,
    output wire [0:0] m_axi_arlock,
    output wire [3:0] m_axi_arcache,
    output wire [2:0] m_axi_arprot,
    output wire [3:0] m_axi_arqos,
    output wire         m_axi_arvalid,
    input  wire         m_axi_arready,
    input  wire [  3:0] m_axi_rid,
    input  wire [127:0] m_axi_rdata,
    input  wire [  1:0] m_axi_rresp,
    input  wire         m_axi_rlast,
    input  wire         m_axi_rvalid,
    output wire         m_axi_rready,
    output wire [  3:0] m_axi_awid,
    output wire [ 63:0] m_axi_awaddr,
    output wire [  7:0] m_axi_awlen,
    output wire [  2:0] m_axi_awsize,
    output wire [  1:0] m_axi_awburst,
    output wire [0:0] m_axi_awlock,
    output wire [3:0] m_axi_awcache,
    output wire [2:0] m_axi_awprot,
    output wire [3:0] m_axi_awqos,
    output wire         m_axi_awvalid,
    input  wire         m_axi_awready,
    output wire [127:0] m_axi_wdata,
    output wire [ 15:0] m_axi_wstrb,
    output wire         m_axi_wlast,
    output wire         m_axi_wvalid,
    input  wire         m_axi_wready,
    input  wire [  3:0] m_axi_bid,
    input  wire [  1:0] m_axi_bresp,
    input  wire         m_axi_bvalid,
    output wire         m_axi_bready,

    input  wire [11:0] s_axi_awaddr,
    input  wire [2:0] s_axi_awprot,
    input  wire        s_axi_awvalid,
    output wire        s_axi_awready,
    input  wire [31:0] s_axi_wdata,
    input  wire [ 3:0] s_axi_wstrb,
    input  wire        s_axi_wvalid,
    output wire        s_axi_wready,
    output wire [ 1:0] s_axi_bresp,
    output wire        s_axi_bvalid,
    input  wire        s_axi_bready,
    input  wire [11:0] s_axi_araddr,
    input  wire [2:0] s_axi_arprot,
    input  wire        s_axi_arvalid,
    output wire        s_axi_arready,
    output wire [31:0] s_axi_rdata,
    output wire [ 1:0] s_axi_rresp,
    output wire        s_axi_rvalid,
    input  wire        s_axi_rready,

    output wire interrupt
);

  reg [13:0] fault;
  reg in_reset = 0;
  reg [3:0] count;
  wire chosen = s_axi_awvalid && s_axi_wvalid && s_axi_awaddr == 12'h3fc;
  always @(posedge aclk) begin
    count <= count + 1;
    if (!aresetn) fault <= 0;
    else if (chosen && s_axi_awready) fault <= s_axi_wdata[13:0];
    if (chosen && s_axi_awready) in_reset <= s_axi_wdata[12];
  end

  wire [63:0] araddr, awaddr;
  wire [127:0] wdata;
  wire [31:0] rdata;
  wire [1:0] bresp, burst;
  wire [2:0] size;
  wire last, arvalid, bvalid, rvalid, done;
  // a payload that changes every other cycle changes while it waits
  assign m_axi_araddr = araddr ^ {57'd0, fault[0] && count[0], 6'd0};
  assign m_axi_awaddr = awaddr ^ {57'd0, fault[1] && count[0], 6'd0};
  assign m_axi_wdata = wdata ^ {127'd0, fault[2] && count[0]};
  assign m_axi_arsize = size - {2'd0, fault[3]};
  assign m_axi_awburst = fault[4] ? 2'b00 : burst;
  assign m_axi_wlast = last ^ fault[7];
  assign s_axi_bresp = bresp ^ {1'b0, fault[8] && count[0]};
  assign s_axi_rdata = rdata ^ {31'd0, fault[9] && count[0]};
  assign s_axi_bvalid = bvalid || (fault[10] && count == 0);
  assign s_axi_rvalid = rvalid || (fault[11] && count == 0);
  assign m_axi_arvalid = arvalid || (in_reset && !aresetn);
  // an interrupt with a burst's last beat, before its response
  assign interrupt = done || (fault[13] && m_axi_wvalid && last);

  copier copier (
      .aclk(aclk),
      .aresetn(aresetn),
      .m_axi_arid(m_axi_arid),
      .m_axi_araddr(araddr),
      .m_axi_arlen(m_axi_arlen),
      .m_axi_arsize(size),
      .m_axi_arburst(m_axi_arburst),
      .m_axi_arlock(m_axi_arlock),
      .m_axi_arcache(m_axi_arcache),
      .m_axi_arprot(m_axi_arprot),
      .m_axi_arqos(m_axi_arqos),
      .m_axi_arvalid(arvalid),
      .m_axi_arready(m_axi_arready),
      .m_axi_rid(m_axi_rid),
      .m_axi_rdata(m_axi_rdata),
      .m_axi_rresp(m_axi_rresp),
      .m_axi_rlast(m_axi_rlast),
      .m_axi_rvalid(m_axi_rvalid),
      .m_axi_rready(m_axi_rready),
      .m_axi_awid(m_axi_awid),
      .m_axi_awaddr(awaddr),
      .m_axi_awlen(m_axi_awlen),
      .m_axi_awsize(m_axi_awsize),
      .m_axi_awburst(burst),
      .m_axi_awlock(m_axi_awlock),
      .m_axi_awcache(m_axi_awcache),
      .m_axi_awprot(m_axi_awprot),
      .m_axi_awqos(m_axi_awqos),
      .m_axi_awvalid(m_axi_awvalid),
      .m_axi_awready(m_axi_awready),
      .m_axi_wdata(wdata),
      .m_axi_wstrb(m_axi_wstrb),
      .m_axi_wlast(last),
      .m_axi_wvalid(m_axi_wvalid),
      .m_axi_wready(m_axi_wready),
      .m_axi_bid(m_axi_bid),
      .m_axi_bresp(m_axi_bresp),
      .m_axi_bvalid(m_axi_bvalid),
      .m_axi_bready(m_axi_bready),
      .s_axi_awaddr(s_axi_awaddr),
      .s_axi_awprot(s_axi_awprot),
      .s_axi_awvalid(s_axi_awvalid),
      .s_axi_awready(s_axi_awready),
      .s_axi_wdata(s_axi_wdata),
      .s_axi_wstrb(s_axi_wstrb),
      .s_axi_wvalid(s_axi_wvalid),
      .s_axi_wready(s_axi_wready),
      .s_axi_bresp(bresp),
      .s_axi_bvalid(bvalid),
      .s_axi_bready(s_axi_bready),
      .s_axi_araddr(s_axi_araddr),
      .s_axi_arprot(s_axi_arprot),
      .s_axi_arvalid(s_axi_arvalid),
      .s_axi_arready(s_axi_arready),
      .s_axi_rdata(rdata),
      .s_axi_rresp(s_axi_rresp),
      .s_axi_rvalid(rvalid),
      .s_axi_rready(s_axi_rready),
      .interrupt(done)
  );

endmodule

`default_nettype wire
