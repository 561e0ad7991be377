// A device that the bench is tried on: it copies beats from one place in memory to another.
//
// Registers: 00 control (write: 1 starts, 2 clears the interrupt; read: bit 0 busy, bit 1 done),
// 04 mode (bit 0 reads, bit 1 writes), 08/0C source, 10/14 target, 18 beats, 1C beats of a burst
// less one, 20 "COPY", 24 exclusive or of all 32-bit words read, 28 bursts answered with an
// error, 2C strobes of each 8 bytes. Without reads it writes the number of the beat. All others
// answer SLVERR.

`default_nettype none

module copier #(
    parameter DATA_WIDTH = 128
) (
    input wire aclk,
    input wire aresetn,

    output wire [             3:0] m_axi_arid,
    output wire [            63:0] m_axi_araddr,
    output wire [             7:0] m_axi_arlen,
    output wire [             2:0] m_axi_arsize,
    output wire [             1:0] m_axi_arburst,
    output wire [0:0] m_axi_arlock,
    output wire [3:0] m_axi_arcache,
    output wire [2:0] m_axi_arprot,
    output wire [3:0] m_axi_arqos,
    output reg                     m_axi_arvalid,
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
    output wire [0:0] m_axi_awlock,
    output wire [3:0] m_axi_awcache,
    output wire [2:0] m_axi_awprot,
    output wire [3:0] m_axi_awqos,
    output reg                     m_axi_awvalid,
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
    input  wire [2:0] s_axi_awprot,
    input  wire        s_axi_awvalid,
    output wire        s_axi_awready,
    input  wire [31:0] s_axi_wdata,
    input  wire [ 3:0] s_axi_wstrb,
    input  wire        s_axi_wvalid,
    output wire        s_axi_wready,
    output reg  [ 1:0] s_axi_bresp,
    output reg         s_axi_bvalid,
    input  wire        s_axi_bready,
    input  wire [11:0] s_axi_araddr,
    input  wire [2:0] s_axi_arprot,
    input  wire        s_axi_arvalid,
    output wire        s_axi_arready,
    output reg  [31:0] s_axi_rdata,
    output reg  [ 1:0] s_axi_rresp,
    output reg         s_axi_rvalid,
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
  localparam FIFO = 2048;  // beats: more than latency times bandwidth
  localparam BYTES_LOG2 = $clog2(DATA_WIDTH / 8);
  localparam [2:0] SIZE = BYTES_LOG2[2:0];

  reg busy, done;
  reg [1:0] mode;
  reg [63:0] source, target;
  reg [31:0] beats, sum, failed;
  reg [7:0] length, strobes;
  wire [31:0] burst = {24'd0, length} + 32'd1;

  // ---- registers

  wire write = s_axi_awvalid && s_axi_wvalid && (!s_axi_bvalid || s_axi_bready);
  wire read = s_axi_arvalid && (!s_axi_rvalid || s_axi_rready);
  wire start = write && s_axi_awaddr == 12'h000 && s_axi_wdata[0];
  assign s_axi_awready = write;
  assign s_axi_wready = write;
  assign s_axi_arready = read;
  assign interrupt = done;

  always @(posedge aclk) begin
    if (!aresetn) begin
      s_axi_bvalid <= 0;
      s_axi_rvalid <= 0;
      mode <= 3;
      length <= 15;
      strobes <= 8'hff;
      source <= 0;
      target <= 0;
      beats <= 0;
    end else begin
      if (s_axi_bready) s_axi_bvalid <= 0;
      if (s_axi_rready) s_axi_rvalid <= 0;
      if (write) begin
        s_axi_bvalid <= 1;
        s_axi_bresp <= s_axi_awaddr > 12'h01c && s_axi_awaddr != 12'h02c ? 2'd2 : 2'd0;
        case (s_axi_awaddr)
          12'h004: mode <= s_axi_wdata[1:0];
          12'h008: source[31:0] <= s_axi_wdata;
          12'h00c: source[63:32] <= s_axi_wdata;
          12'h010: target[31:0] <= s_axi_wdata;
          12'h014: target[63:32] <= s_axi_wdata;
          12'h018: beats <= s_axi_wdata;
          12'h01c: length <= s_axi_wdata[7:0];
          12'h02c: strobes <= s_axi_wdata[7:0];
          default: ;
        endcase
      end
      if (read) begin
        s_axi_rvalid <= 1;
        s_axi_rresp <= s_axi_araddr > 12'h028 ? 2'd2 : 2'd0;
        case (s_axi_araddr)
          12'h000: s_axi_rdata <= {30'd0, done, busy};
          12'h004: s_axi_rdata <= {30'd0, mode};
          12'h018: s_axi_rdata <= beats;
          12'h020: s_axi_rdata <= 32'h434f_5059;
          12'h024: s_axi_rdata <= sum;
          12'h028: s_axi_rdata <= failed;
          default: s_axi_rdata <= 0;
        endcase
      end
    end
  end

  // ---- reads: a burst is asked for when its place in the FIFO is free

  reg [DATA_WIDTH-1:0] fifo[0:FIFO-1];
  reg [11:0] filled, emptied;
  reg [31:0] asked, reserved, received;
  reg [63:0] read_at;
  wire r_moves = m_axi_rvalid && m_axi_rready;
  wire w_moves = m_axi_wvalid && m_axi_wready;

  assign m_axi_arid = 4'd1;
  assign m_axi_araddr = read_at;
  assign m_axi_arlen = length;
  assign m_axi_arsize = SIZE;
  assign m_axi_arburst = 2'b01;
  assign m_axi_rready = 1;

  integer i;
  reg [31:0] folded;
  always @(*) begin
    folded = 0;
    for (i = 0; i < DATA_WIDTH; i = i + 32) folded = folded ^ m_axi_rdata[i+:32];
  end

  always @(posedge aclk) begin
    if (!aresetn || start) begin
      m_axi_arvalid <= 0;
      asked <= 0;
      received <= 0;
      reserved <= 0;
      filled <= 0;
      sum <= 0;
      read_at <= source;
    end else begin
      reserved <= reserved + (m_axi_arvalid && m_axi_arready ? burst : 32'd0)
          - (w_moves || (r_moves && !mode[1]) ? 32'd1 : 32'd0);
      if (busy && mode[0]) begin
        if (m_axi_arvalid && m_axi_arready) begin
          asked <= asked + burst;
          read_at <= read_at + ({32'd0, burst} << BYTES_LOG2);
        end
        m_axi_arvalid <= (m_axi_arvalid && !m_axi_arready)
            || (asked + (m_axi_arvalid ? burst : 32'd0) < beats
                && reserved + burst + burst <= FIFO);
      end
      if (r_moves) begin
        fifo[filled[10:0]] <= m_axi_rdata;
        filled <= filled + 1;
        received <= received + 1;
        sum <= sum ^ folded;
      end
    end
  end

  // ---- writes

  reg [31:0] offered, sent, answered;
  reg [7:0] in_burst;
  reg [63:0] write_at;

  assign m_axi_awid = 4'd2;
  assign m_axi_awaddr = write_at;
  assign m_axi_awlen = length;
  assign m_axi_awsize = SIZE;
  assign m_axi_awburst = 2'b01;
  assign m_axi_wdata = mode[0] ? fifo[emptied[10:0]] : {(DATA_WIDTH / 32) {sent}};
  assign m_axi_wstrb = {(DATA_WIDTH / 64) {strobes}};
  assign m_axi_wlast = in_burst == length;
  assign m_axi_wvalid = busy && mode[1] && sent != beats && (!mode[0] || filled != emptied);
  assign m_axi_bready = 1;

  always @(posedge aclk) begin
    if (!aresetn || start) begin
      m_axi_awvalid <= 0;
      offered <= 0;
      sent <= 0;
      answered <= 0;
      in_burst <= 0;
      emptied <= 0;
      failed <= 0;
      write_at <= target;
    end else begin
      if (busy && mode[1]) begin
        if (m_axi_awvalid && m_axi_awready) begin
          offered <= offered + burst;
          write_at <= write_at + ({32'd0, burst} << BYTES_LOG2);
        end
        m_axi_awvalid <= (m_axi_awvalid && !m_axi_awready)
            || offered + (m_axi_awvalid ? burst : 32'd0) < beats;
      end
      if (w_moves) begin
        sent <= sent + 1;
        in_burst <= m_axi_wlast ? 8'd0 : in_burst + 1;
        if (mode[0]) emptied <= emptied + 1;
      end
      if (m_axi_bvalid) answered <= answered + burst;
      failed <= failed + {31'd0, m_axi_bvalid && m_axi_bresp != 0}
          + {31'd0, r_moves && m_axi_rlast && m_axi_rresp != 0};
    end
  end

  // ---- done

  always @(posedge aclk) begin
    if (!aresetn) begin
      busy <= 0;
      done <= 0;
    end else begin
      if (write && s_axi_awaddr == 12'h000 && s_axi_wdata[1]) done <= 0;
      if (start) busy <= 1;
      else if (busy && (!mode[0] || received == beats) && (!mode[1] || answered == beats)) begin
        busy <= 0;
        done <= 1;
      end
    end
  end

  wire unused = &{m_axi_rid, m_axi_bid, s_axi_wstrb, 1'b0};

endmodule

`default_nettype wire
