// An accelerator (module `DUT, with a memory port of `DATA_WIDTH bits), its memory and its host.
// cocotb sees only what has host_ or memory_ in its name: knobs in, counters out (bench.vlt makes
// just these public, which keeps the simulation fast).

`default_nettype none

module bench #(
    parameter int DATA_WIDTH = `DATA_WIDTH
) (
    input wire aclk,

    input  wire        host_start,
    input  wire        host_reset,
    input  wire [63:0] host_cycle_limit,
    input  wire [ 9:0] host_stall,
    input  wire [63:0] host_seed,
    input  wire [31:0] host_sample_every,  // cycles; 0: never
    output wire        host_done,
    output wire [ 1:0] host_status,
    output wire [31:0] host_position,
    output wire [63:0] host_cycles,
    output wire [63:0] host_interrupt_cycle,
    output wire [31:0] host_errors,
    output wire [31:0] host_error_position,

    input  wire [31:0] memory_latency,
    input  wire [15:0] memory_bandwidth,
    input  wire [ 9:0] memory_stall_ar,
    input  wire [ 9:0] memory_stall_r,
    input  wire [ 9:0] memory_stall_aw,
    input  wire [ 9:0] memory_stall_w,
    input  wire [ 9:0] memory_stall_b,
    input  wire [63:0] memory_seed,
    input  wire [63:0] memory_error_first,
    input  wire [63:0] memory_error_last,
    input  wire [ 1:0] memory_error_response,
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

  logic aresetn, begins, interrupt, sample;

  logic [             3:0] m_axi_arid;
  logic [            63:0] m_axi_araddr;
  logic [             7:0] m_axi_arlen;
  logic [             2:0] m_axi_arsize;
  logic [             1:0] m_axi_arburst;
  logic                    m_axi_arvalid;
  logic                    m_axi_arready;
  logic [             3:0] m_axi_rid;
  logic [  DATA_WIDTH-1:0] m_axi_rdata;
  logic [             1:0] m_axi_rresp;
  logic                    m_axi_rlast;
  logic                    m_axi_rvalid;
  logic                    m_axi_rready;
  logic [             3:0] m_axi_awid;
  logic [            63:0] m_axi_awaddr;
  logic [             7:0] m_axi_awlen;
  logic [             2:0] m_axi_awsize;
  logic [             1:0] m_axi_awburst;
  logic                    m_axi_awvalid;
  logic                    m_axi_awready;
  logic [  DATA_WIDTH-1:0] m_axi_wdata;
  logic [DATA_WIDTH/8-1:0] m_axi_wstrb;
  logic                    m_axi_wlast;
  logic                    m_axi_wvalid;
  logic                    m_axi_wready;
  logic [             3:0] m_axi_bid;
  logic [             1:0] m_axi_bresp;
  logic                    m_axi_bvalid;
  logic                    m_axi_bready;

  logic [11:0] s_axi_awaddr;
  logic        s_axi_awvalid;
  logic        s_axi_awready;
  logic [31:0] s_axi_wdata;
  logic [ 3:0] s_axi_wstrb;
  logic        s_axi_wvalid;
  logic        s_axi_wready;
  logic [ 1:0] s_axi_bresp;
  logic        s_axi_bvalid;
  logic        s_axi_bready;
  logic [11:0] s_axi_araddr;
  logic        s_axi_arvalid;
  logic        s_axi_arready;
  logic [31:0] s_axi_rdata;
  logic [ 1:0] s_axi_rresp;
  logic        s_axi_rvalid;
  logic        s_axi_rready;

  watched #(
      .DATA_WIDTH(DATA_WIDTH)
  ) watched (
      .aclk,
      .aresetn,
      .m_axi_arid,
      .m_axi_araddr,
      .m_axi_arlen,
      .m_axi_arsize,
      .m_axi_arburst,
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
      .s_axi_arvalid,
      .s_axi_arready,
      .s_axi_rdata,
      .s_axi_rresp,
      .s_axi_rvalid,
      .s_axi_rready,
      .host_interrupt(interrupt),
      .clear(begins),
      .sample,
      .memory_read_bursts,
      .memory_read_beats,
      .memory_write_bursts,
      .memory_write_beats,
      .memory_write_bytes,
      .memory_both_beats,
      .memory_ar_held,
      .memory_r_held,
      .memory_aw_held,
      .memory_w_held,
      .memory_b_held,
      .memory_error_beats,
      .memory_reads_open,
      .memory_writes_open,
      .memory_violations,
      .memory_violation_cycle,
      .memory_engines,
      .memory_links
  );

  host host (
      .aclk,
      .aresetn,
      .start(host_start),
      .reset(host_reset),
      .cycle_limit(host_cycle_limit),
      .stall(host_stall),
      .seed(host_seed),
      .begins,
      .done(host_done),
      .status(host_status),
      .position(host_position),
      .cycles(host_cycles),
      .interrupt_cycle(host_interrupt_cycle),
      .errors(host_errors),
      .error_position(host_error_position),
      .awaddr(s_axi_awaddr),
      .awvalid(s_axi_awvalid),
      .awready(s_axi_awready),
      .wdata(s_axi_wdata),
      .wstrb(s_axi_wstrb),
      .wvalid(s_axi_wvalid),
      .wready(s_axi_wready),
      .bresp(s_axi_bresp),
      .bvalid(s_axi_bvalid),
      .bready(s_axi_bready),
      .araddr(s_axi_araddr),
      .arvalid(s_axi_arvalid),
      .arready(s_axi_arready),
      .rdata(s_axi_rdata),
      .rresp(s_axi_rresp),
      .rvalid(s_axi_rvalid),
      .rready(s_axi_rready),
      .interrupt
  );

  memory #(
      .DATA_WIDTH(DATA_WIDTH)
  ) memory (
      .aclk,
      .aresetn,
      .arid(m_axi_arid),
      .araddr(m_axi_araddr),
      .arlen(m_axi_arlen),
      .arsize(m_axi_arsize),
      .arburst(m_axi_arburst),
      .arvalid(m_axi_arvalid),
      .arready(m_axi_arready),
      .rid(m_axi_rid),
      .rdata(m_axi_rdata),
      .rresp(m_axi_rresp),
      .rlast(m_axi_rlast),
      .rvalid(m_axi_rvalid),
      .rready(m_axi_rready),
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
      .bid(m_axi_bid),
      .bresp(m_axi_bresp),
      .bvalid(m_axi_bvalid),
      .bready(m_axi_bready),
      .latency(memory_latency),
      .bandwidth(memory_bandwidth),
      .stall_ar(memory_stall_ar),
      .stall_r(memory_stall_r),
      .stall_aw(memory_stall_aw),
      .stall_w(memory_stall_w),
      .stall_b(memory_stall_b),
      .seed(memory_seed),
      .reseed(begins),
      .error_first(memory_error_first),
      .error_last(memory_error_last),
      .error_response(memory_error_response)
  );

  activity activity (
      .aclk,
      .begins,
      .every(host_sample_every),
      .interrupt,
      .cycles(host_cycles),
      .engines(memory_engines),
      .sample
  );

endmodule

`default_nettype wire
