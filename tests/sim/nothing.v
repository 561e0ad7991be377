// A device that does nothing: no bench may take it for a good one.

`default_nettype none

module nothing (
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

  assign m_axi_awlock = 1'd0;
  assign m_axi_awcache = 4'd2;
  assign m_axi_awprot = 3'd0;
  assign m_axi_awqos = 4'd0;
  assign m_axi_arlock = 1'd0;
  assign m_axi_arcache = 4'd2;
  assign m_axi_arprot = 3'd0;
  assign m_axi_arqos = 4'd0;
  assign m_axi_arid = 0;
  assign m_axi_araddr = 0;
  assign m_axi_arlen = 0;
  assign m_axi_arsize = 0;
  assign m_axi_arburst = 0;
  assign m_axi_arvalid = 0;
  assign m_axi_rready = 0;
  assign m_axi_awid = 0;
  assign m_axi_awaddr = 0;
  assign m_axi_awlen = 0;
  assign m_axi_awsize = 0;
  assign m_axi_awburst = 0;
  assign m_axi_awvalid = 0;
  assign m_axi_wdata = 0;
  assign m_axi_wstrb = 0;
  assign m_axi_wlast = 0;
  assign m_axi_wvalid = 0;
  assign m_axi_bready = 0;
  assign s_axi_awready = 0;
  assign s_axi_wready = 0;
  assign s_axi_bresp = 0;
  assign s_axi_bvalid = 0;
  assign s_axi_arready = 0;
  assign s_axi_rdata = 0;
  assign s_axi_rresp = 0;
  assign s_axi_rvalid = 0;
  assign interrupt = 0;

endmodule

`default_nettype wire
