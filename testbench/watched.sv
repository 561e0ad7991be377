// An accelerator (module `DUT, with a memory port of `DATA_WIDTH bits) with its ports watched: the
// rules of AXI checked, what moves counted.
//
// As a top it is the protocol bench: protocol_bench.py puts cocotbext-axi's memory and host at the
// ports, peers that were not written here. Inside bench.sv the peers are memory.sv and host.sv.

`default_nettype none

module watched #(
    parameter int DATA_WIDTH = `DATA_WIDTH
) (
    input  wire aclk,
    input  wire aresetn,
    output wire host_interrupt,

    output wire [             3:0] m_axi_arid,
    output wire [            63:0] m_axi_araddr,
    output wire [             7:0] m_axi_arlen,
    output wire [             2:0] m_axi_arsize,
    output wire [             1:0] m_axi_arburst,
    output wire                    m_axi_arvalid,
    input  wire                    m_axi_arready,
    input  wire [             3:0] m_axi_rid,
    input  wire [  DATA_WIDTH-1:0] m_axi_rdata,
    input  wire [             1:0] m_axi_rresp,
    input  wire                    m_axi_rlast,
    input  wire                    m_axi_rvalid,
    output wire                    m_axi_rready,
    output wire [             3:0] m_axi_awid,
    output wire [            63:0] m_axi_awaddr,
    output wire [             7:0] m_axi_awlen,
    output wire [             2:0] m_axi_awsize,
    output wire [             1:0] m_axi_awburst,
    output wire                    m_axi_awvalid,
    input  wire                    m_axi_awready,
    output wire [  DATA_WIDTH-1:0] m_axi_wdata,
    output wire [DATA_WIDTH/8-1:0] m_axi_wstrb,
    output wire                    m_axi_wlast,
    output wire                    m_axi_wvalid,
    input  wire                    m_axi_wready,
    input  wire [             3:0] m_axi_bid,
    input  wire [             1:0] m_axi_bresp,
    input  wire                    m_axi_bvalid,
    output wire                    m_axi_bready,

    input  wire [11:0] s_axi_awaddr,
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
    input  wire        s_axi_arvalid,
    output wire        s_axi_arready,
    output wire [31:0] s_axi_rdata,
    output wire [ 1:0] s_axi_rresp,
    output wire        s_axi_rvalid,
    input  wire        s_axi_rready,

    input  wire        clear,  // all that follows
    input  wire        sample,  // show what engines have done so far
    output wire [63:0] memory_read_bursts,
    output wire [63:0] memory_read_beats,
    output wire [63:0] memory_write_bursts,
    output wire [63:0] memory_write_beats,
    output wire [63:0] memory_write_bytes,
    output wire [63:0] memory_both_beats,
    output wire [63:0] memory_ar_held,
    output wire [63:0] memory_r_held,
    output wire [63:0] memory_aw_held,
    output wire [63:0] memory_w_held,
    output wire [63:0] memory_b_held,
    output wire [63:0] memory_error_beats,
    output wire [15:0] memory_reads_open,
    output wire [15:0] memory_writes_open,
    output wire [15:0] memory_violations,
    output wire [63:0] memory_violation_cycle,
    output wire [9:0][4:0][31:0] memory_engines,
    output wire [`LINK_COUNTS-1:0][31:0] memory_links
);

  logic [63:0] cycles;
  always_ff @(posedge aclk) cycles <= clear ? 0 : cycles + 1;

  // An interrupt promises that all is in memory: what counts is which writes were open as it rose.
  wire [15:0] writes_open;
  logic [15:0] open_at_interrupt;
  logic interrupted, interrupt_before;
  always_ff @(posedge aclk) begin
    interrupt_before <= host_interrupt;
    interrupted <= !clear && (interrupted || (host_interrupt && !interrupt_before));
    if (!interrupted) open_at_interrupt <= writes_open;
  end
  assign memory_writes_open = interrupted ? open_at_interrupt : writes_open;

  // The bench has no use for what is constant at the memory port.
  // verilator lint_off PINCONNECTEMPTY
  `DUT dut (
      .aclk,
      .aresetn,
      .m_axi_arid,
      .m_axi_araddr,
      .m_axi_arlen,
      .m_axi_arsize,
      .m_axi_arburst,
      .m_axi_arlock(),
      .m_axi_arcache(),
      .m_axi_arprot(),
      .m_axi_arqos(),
      .m_axi_arvalid,
      .m_axi_arready,
      .m_axi_rid,
      .m_axi_rdata,
      .m_axi_rresp,
      .m_axi_rlast,
      .m_axi_rvalid,
      .m_axi_rready,
      .m_axi_awid,
      .m_axi_awaddr,
      .m_axi_awlen,
      .m_axi_awsize,
      .m_axi_awburst,
      .m_axi_awlock(),
      .m_axi_awcache(),
      .m_axi_awprot(),
      .m_axi_awqos(),
      .m_axi_awvalid,
      .m_axi_awready,
      .m_axi_wdata,
      .m_axi_wstrb,
      .m_axi_wlast,
      .m_axi_wvalid,
      .m_axi_wready,
      .m_axi_bid,
      .m_axi_bresp,
      .m_axi_bvalid,
      .m_axi_bready,
      .s_axi_awaddr,
      .s_axi_awprot(3'd0),
      .s_axi_awvalid,
      .s_axi_awready,
      .s_axi_wdata,
      .s_axi_wstrb,
      .s_axi_wvalid,
      .s_axi_wready,
      .s_axi_bresp,
      .s_axi_bvalid,
      .s_axi_bready,
      .s_axi_araddr,
      .s_axi_arprot(3'd0),
      .s_axi_arvalid,
      .s_axi_arready,
      .s_axi_rdata,
      .s_axi_rresp,
      .s_axi_rvalid,
      .s_axi_rready,
      .interrupt(host_interrupt)
  );
  // verilator lint_on PINCONNECTEMPTY

  axi_counters #(
      .DATA_WIDTH(DATA_WIDTH)
  ) counters (
      .aclk,
      .aresetn,
      .clear,
      .arvalid(m_axi_arvalid),
      .arready(m_axi_arready),
      .rlast(m_axi_rlast),
      .rvalid(m_axi_rvalid),
      .rready(m_axi_rready),
      .awvalid(m_axi_awvalid),
      .awready(m_axi_awready),
      .wstrb(m_axi_wstrb),
      .wvalid(m_axi_wvalid),
      .wready(m_axi_wready),
      .bvalid(m_axi_bvalid),
      .bready(m_axi_bready),
      .rresp(m_axi_rresp),
      .bresp(m_axi_bresp),
      .read_bursts(memory_read_bursts),
      .read_beats(memory_read_beats),
      .write_bursts(memory_write_bursts),
      .write_beats(memory_write_beats),
      .write_bytes(memory_write_bytes),
      .both_beats(memory_both_beats),
      .ar_held(memory_ar_held),
      .r_held(memory_r_held),
      .aw_held(memory_aw_held),
      .w_held(memory_w_held),
      .b_held(memory_b_held),
      .error_beats(memory_error_beats),
      .reads_open(memory_reads_open),
      .writes_open
  );

  // A DUT that is not an accelerator has no engines.
`ifdef ENGINES
  engine_counters engines (
      .aclk,
      .clear,
      .sample,
      .counts(memory_engines)
  );
`else
  wire unused_sample = sample;
  assign memory_engines = 0;
`endif

  // Words on the links of the array are counted where that is asked for (rtl_gen/sim/link_counters.py).
`ifdef LINKS
  link_counters links (
      .aclk,
      .clear,
      .counts(memory_links)
  );
`else
  assign memory_links = 0;
`endif

  axi_check #(
      .DATA_WIDTH(DATA_WIDTH)
  ) check (
      .aclk,
      .aresetn,
      .clear,
      .arid(m_axi_arid),
      .araddr(m_axi_araddr),
      .arlen(m_axi_arlen),
      .arsize(m_axi_arsize),
      .arburst(m_axi_arburst),
      .arvalid(m_axi_arvalid),
      .arready(m_axi_arready),
      .awid(m_axi_awid),
      .awaddr(m_axi_awaddr),
      .awlen(m_axi_awlen),
      .awsize(m_axi_awsize),
      .awburst(m_axi_awburst),
      .awvalid(m_axi_awvalid),
      .awready(m_axi_awready),
      .wdata(m_axi_wdata),
      .wstrb(m_axi_wstrb),
      .wlast(m_axi_wlast),
      .wvalid(m_axi_wvalid),
      .wready(m_axi_wready),
      .lite_awvalid(s_axi_awvalid),
      .lite_awready(s_axi_awready),
      .lite_wvalid(s_axi_wvalid),
      .lite_wready(s_axi_wready),
      .lite_bresp(s_axi_bresp),
      .lite_bvalid(s_axi_bvalid),
      .lite_bready(s_axi_bready),
      .lite_arvalid(s_axi_arvalid),
      .lite_arready(s_axi_arready),
      .lite_rdata(s_axi_rdata),
      .lite_rresp(s_axi_rresp),
      .lite_rvalid(s_axi_rvalid),
      .lite_rready(s_axi_rready),
      .violations(memory_violations),
      .violation_cycle(memory_violation_cycle),
      .cycles
  );

endmodule

`default_nettype wire
