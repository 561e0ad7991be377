// What each engine of an accelerator did and waited for, counted from the handshakes at its ports
// and its buffer's: the accelerator's own counters are held to these. What each means stands in
// rtl_gen/isa/counters.py; BYTES are moves here.

`default_nettype none
// verilator lint_off DECLFILENAME

// Cycles in which an engine is busy, waits for each thing (the first one named counts) or moves a
// beat or a word, modulo 2^32. Shown while it is not busy, and behind a sample: to join them in every cycle costs time.
module engine_cycles (
    input  wire              aclk,
    input  wire              clear,
    input  wire              sample,
    input  wire              busy,
    input  wire              moved,
    input  wire              room,
    input  wire              bus,
    input  wire       [31:0] transfer,
    output reg  [4:0] [31:0] counts     // busy, for data, for room, for the bus; transfers
);
  logic [31:0] in_all, for_data, for_room, for_bus, transfers;
  always_ff @(posedge aclk) begin
    if (clear) {in_all, for_data, for_room, for_bus, transfers} <= 0;
    else if (busy) begin
      in_all <= in_all + 1;
      if (!moved) begin
        if (room) for_room <= for_room + 1;
        else if (bus) for_bus <= for_bus + 1;
        else for_data <= for_data + 1;
      end
    end
    if (!clear) transfers <= transfers + transfer;
    if (!busy || sample) counts <= {transfers, for_bus, for_room, for_data, in_all};
  end
endmodule

module load_cycles (
    input  wire              aclk,
    input  wire              clear,
    input  wire              sample,
    input  wire              reset,
    input  wire              busy,
    input  wire              asked,      // a burst
    input  wire              asks,       // one stands before the arbiter
    input  wire       [ 7:0] length,     // its beats less one
    input  wire              beat,
    input  wire              stands,     // what is to be loaded next
    input  wire       [31:0] needs,      // words that it takes
    input  wire       [31:0] added,      // words promised in this cycle
    input  wire       [31:0] committed,  // words that the buffer gets in this cycle
    input  wire       [31:0] space,      // free words of the buffer
    output wire [4:0] [31:0] counts
);
  logic [31:0] beats_open, promised, available;
  always_ff @(posedge aclk)
    if (reset) {beats_open, promised, available} <= 0;
    else begin
      beats_open <= beats_open + (asked ? 32'(length) + 1 : 0) - 32'(beat);
      promised   <= promised + added - committed;
      available  <= space - promised - added;
    end

  engine_cycles cycles (
      .aclk,
      .clear,
      .sample,
      .busy,
      .moved(beat),
      .room(stands && needs > available),
      .bus(asks || beats_open != 0),
      .transfer(32'(beat)),
      .counts
  );
endmodule

module feed_cycles (
    input  wire              aclk,
    input  wire              clear,
    input  wire              sample,
    input  wire              busy,
    input  wire              asked,  // a word
    input  wire       [31:0] reads,  // words of it that are no padding
    input  wire              held,   // the word before it is not taken
    output wire [4:0] [31:0] counts
);
  engine_cycles cycles (
      .aclk,
      .clear,
      .sample,
      .busy,
      .moved(asked),
      .room(held),
      .bus(1'b0),
      .transfer(asked ? reads : 0),
      .counts
  );
endmodule

module unfold_cycles (
    input  wire              aclk,
    input  wire              clear,
    input  wire              sample,
    input  wire              busy,
    input  wire              made,   // a word stands before the region
    input  wire              taken,  // and goes
    output wire [4:0] [31:0] counts
);
  engine_cycles cycles (
      .aclk,
      .clear,
      .sample,
      .busy,
      .moved(made && taken),
      .room(made && !taken),
      .bus(1'b0),
      .transfer(32'(made && taken)),
      .counts
  );
endmodule

module compute_cycles (
    input  wire              aclk,
    input  wire              clear,
    input  wire              sample,
    input  wire              reset,
    input  wire              busy,
    input  wire              step,
    input  wire              step_stands,
    input  wire              drains,           // sums of the last step are shifted out
    input  wire              tick,             // by one place
    input  wire              writes,           // outputs
    input  wire              operands,         // of the next step are there
    input  wire              completes,        // the next step needs parameters
    input  wire       [ 1:0] parameter_sets,   // that are there
    input  wire              parameters_end,   // those of what goes now are the last's
    input  wire              parameters_used,
    output wire [4:0] [31:0] counts
);
  logic [7:0] owed;  // parameter sets of steps on their way
  always_ff @(posedge aclk)
    if (reset) owed <= 0;
    else owed <= owed + 8'(parameters_end) - 8'(parameters_used);

  wire parameters = 8'(parameter_sets) > owed;
  wire supplied = drains ? parameters : step_stands && operands && (parameters || !completes);
  engine_cycles cycles (
      .aclk,
      .clear,
      .sample,
      .busy,
      .moved(step || tick || writes),
      .room(supplied && !step && !tick),
      .bus(1'b0),
      .transfer(32'(writes)),
      .counts
  );
endmodule

module store_cycles (
    input  wire              aclk,
    input  wire              clear,
    input  wire              sample,
    input  wire              reset,
    input  wire              busy,
    input  wire              asks,       // a word
    input  wire              keeps,      // words stay in the buffer
    input  wire              read,       // one stands
    input  wire              word_held,  // it is not taken
    input  wire              awvalid,
    input  wire              awready,
    input  wire              wvalid,
    input  wire              wready,
    input  wire              response,
    output wire [4:0] [31:0] counts
);
  logic [31:0] bursts_open;
  always_ff @(posedge aclk)
    if (reset) bursts_open <= 0;
    else bursts_open <= bursts_open + 32'(awvalid && awready) - 32'(response);

  engine_cycles cycles (
      .aclk,
      .clear,
      .sample,
      .busy,
      .moved(wvalid && wready || keeps),
      .room(1'b0),
      .bus(awvalid || wvalid || word_held || (!asks && !read && bursts_open != 0)),
      .transfer(32'(wvalid && wready)),
      .counts
  );
endmodule

// All engines of watched.dut, in the order of rtl_gen/isa/descriptors.py, the first lowest.
module engine_counters (
    input  wire                   aclk,
    input  wire                   clear,
    input  wire                   sample,
    output wire [9:0][4:0] [31:0] counts
);
`define LOAD(NUMBER, NAME) \
  load_cycles NAME ( \
      .aclk, \
      .clear, \
      .sample, \
      .reset(watched.dut.rst), \
      .busy(watched.dut.NAME``_control.busy || watched.dut.NAME.working), \
      .asked(watched.dut.NAME.request__valid && watched.dut.NAME.request__ready), \
      .asks(watched.dut.NAME.request__valid), \
      .length(watched.dut.NAME.\request__payload.length ), \
      .beat(watched.dut.NAME.beats__valid && watched.dut.NAME.beats__ready), \
      .stands(watched.dut.NAME.reserve.i__valid), \
      .needs(32'(watched.dut.NAME.reserve.needs)), \
      .added(32'(watched.dut.NAME.reserve.added)), \
      .committed(watched.dut.NAME.commit__valid ? 32'(watched.dut.NAME.commit__payload) : 0), \
      .space(32'(watched.dut.NAME.space)), \
      .counts(counts[NUMBER]) \
  );

`define FEED(NUMBER, NAME, RESPONSE) \
  feed_cycles NAME ( \
      .aclk, \
      .clear, \
      .sample, \
      .busy(watched.dut.NAME``_control.busy), \
      .asked(watched.dut.NAME.request__valid && watched.dut.NAME.request__ready), \
      .reads($countones(watched.dut.NAME.\request__payload.read )), \
      .held(watched.dut.RESPONSE``__valid && !watched.dut.RESPONSE``__ready), \
      .counts(counts[NUMBER]) \
  );

  `LOAD(0, load_input)
  `LOAD(1, load_weights)
  `LOAD(2, load_parameters)
  `FEED(3, feed_input, activations.input_response)
  `FEED(4, feed_weights, weights_buffet.response)
  `FEED(5, feed_parameters, parameters_buffet.response)
  // Only designs that add residuals load any.
`ifdef LOAD_RESIDUAL
  `LOAD(8, load_residual)
`else
  assign counts[8] = 0;
`endif
  // Only designs that hold rows of an image unfold any.
`ifdef UNFOLD_INPUT
  unfold_cycles unfold_input (
      .aclk,
      .clear,
      .sample,
      .busy(watched.dut.unfold_input_control.busy),
      .made(watched.dut.packed_input.unfolding && watched.dut.packed_input.write__valid),
      .taken(watched.dut.packed_input.write__ready),
      .counts(counts[9])
  );
`else
  assign counts[9] = 0;
`endif

  compute_cycles compute (
      .aclk,
      .clear,
      .sample,
      .reset(watched.dut.rst),
      .busy(watched.dut.compute_control.busy || watched.dut.compute.working),
`ifdef TAGGED_BUSES
      .step(watched.dut.compute.core.array.row0.pe0.read),
      .step_stands(watched.dut.compute.core.periods.asks && !watched.dut.compute.core.periods.may_emit),
      .drains(1'b0),
      .tick(1'b0),
      .writes(watched.dut.compute.write__valid),
      .operands(1'b1),
      .completes(1'b1),
      .parameter_sets(watched.dut.compute.parameter_sets),
      .parameters_end(watched.dut.compute.core.periods.info__valid
          && watched.dut.compute.core.periods.\info__payload.emit
          && watched.dut.compute.core.periods.\info__payload.ends
          && watched.dut.compute.core.periods.\info__payload.parameters ),
      .parameters_used(watched.dut.compute.post.used),
`else
      .step(watched.dut.compute.issue.go),
      .step_stands(watched.dut.compute.issue.nest.item__valid),
      .drains(watched.dut.compute.issue.draining),
      .tick(watched.dut.compute.issue.drain),
      .writes(watched.dut.compute.write__valid),
      .operands(watched.dut.compute.issue.operands_ready),
      .completes(watched.dut.compute.issue.completes),
      .parameter_sets(watched.dut.compute.issue.parameter_sets),
      .parameters_end(watched.dut.compute.issue.tag_valid
          && watched.dut.compute.issue.\tag.emit
          && watched.dut.compute.issue.\tag.parameters_done ),
      .parameters_used(watched.dut.compute.issue.parameters_used),
`endif
      .counts(counts[6])
  );

  store_cycles store (
      .aclk,
      .clear,
      .sample,
      .reset(watched.dut.rst),
      .busy(watched.dut.store_control.busy || watched.dut.store.working),
      .asks(watched.dut.store.request__valid),
      .keeps(watched.dut.store.request__valid && watched.dut.store.request__ready
          && !watched.dut.store.\request__payload.read ),
      .read(watched.dut.store.response__valid),
      .word_held(watched.dut.store.response__valid && !watched.dut.store.response__ready),
      .awvalid(watched.dut.m_axi_awvalid),
      .awready(watched.dut.m_axi_awready),
      .wvalid(watched.dut.m_axi_wvalid),
      .wready(watched.dut.m_axi_wready),
      .response(watched.dut.m_axi_bvalid && watched.dut.m_axi_bready),
      .counts(counts[7])
  );
endmodule

// verilator lint_on DECLFILENAME
`default_nettype wire
