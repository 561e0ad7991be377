// The memories of a design with `memories: sram`: words of which one is written and one is read in
// a cycle. This body is for simulation. Replace it by the macros of your foundry, for example by a
// `generate if` over WORDS, WIDTH and GRANULE; `rtl-gen verilog` lists the sizes that a design has.
// What has no macro can stay as it is, and becomes flip-flops.
//
// This file belongs to whoever uses it: no licence of rtl-gen applies to it.
//
// A macro must keep to this:
//   - read_data changes only behind a clock edge with read_enable, and holds until the next one;
//   - a word with GRANULE bits for each bit of write_enable: only those are written;
//   - reading the word that is being written may give anything: the design never uses it;
//   - nothing is asked of its contents before they are written.

module rtl_gen_sram #(
    parameter WORDS   = 2,
    parameter WIDTH   = 1,
    parameter GRANULE = WIDTH  // divides WIDTH
) (
    input  wire                       clk,
    input  wire [WIDTH/GRANULE-1:0]   write_enable,
    input  wire [$clog2(WORDS)-1:0]   write_address,
    input  wire [WIDTH-1:0]           write_data,
    input  wire                       read_enable,
    input  wire [$clog2(WORDS)-1:0]   read_address,
    output reg  [WIDTH-1:0]           read_data
);

  reg [WIDTH-1:0] words [0:WORDS-1];
  integer n;

  always @(posedge clk) begin
    for (n = 0; n < WIDTH / GRANULE; n = n + 1)
      if (write_enable[n]) words[write_address][n*GRANULE+:GRANULE] <= write_data[n*GRANULE+:GRANULE];
  end

  // A word that is being written is read inverted, so that a design that uses it is found out.
  always @(posedge clk)
    if (read_enable)
      read_data <= words[read_address]
          ^ {WIDTH{write_enable != 0 && write_address == read_address}};

endmodule
