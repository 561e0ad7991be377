// The simulation's main loop: cocotb's events, and a clock that runs without them.
//
// While host_start and host_done differ, a job runs and nobody but the HDL is awake: the clock is
// toggled and the model evaluated in a tight loop, until the job ends or a timer of cocotb is due.
// Everything else follows the regions of IEEE 1800-2017 section 4.4, as cocotb wants them through
// VPI. bench.sv is the top; the time step is 1 ps, the clock 100 MHz.

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>

#include "Vtop.h"
#include "verilated.h"
#include "verilated_vpi.h"
#if VM_TRACE
#include "verilated_vcd_c.h"
#endif

extern "C" void vlog_startup_routines_bootstrap();

namespace {

constexpr uint64_t kHalfPeriod = 5000;
uint64_t now = 0;
constexpr uint64_t kNever = ~uint64_t{0};

class Simulation {
public:
    // the empty name makes "bench" the root of VPI's names, where cocotb looks for it
    explicit Simulation(const char* waves) : m_top{new Vtop{&m_context, ""}} {
#if VM_TRACE
        if (waves) {
            m_context.traceEverOn(true);
            m_top->trace(&m_waves, 99);
            m_waves.open(waves);
        }
#endif
    }

    VerilatedContext& context() { return m_context; }

    void run() {
        vlog_startup_routines_bootstrap();
        VerilatedVpi::callCbs(cbStartOfSimulation);
        notify();
        while (!m_context.gotFinish()) {
            settle();
            VerilatedVpi::callCbs(cbReadOnlySynch);
            dump();
            if (run_clock()) continue;
            const uint64_t next = VerilatedVpi::cbNextDeadline();
            if (next == kNever) break;
            now = next;
            VerilatedVpi::callCbs(cbNextSimTime);
            notify();
            VerilatedVpi::callTimedCbs();
            notify();
        }
        m_top->final();
        VerilatedVpi::callCbs(cbEndOfSimulation);
#if VM_TRACE
        m_waves.close();
#endif
    }

private:
    // value-change callbacks may write values that change others
    static void notify() {
        while (VerilatedVpi::callValueCbs()) {}
    }

    // evaluate until neither the model nor a callback changes anything in this time step
    void settle() {
        do {
            do {
                VerilatedVpi::clearEvalNeeded();
                VerilatedVpi::doInertialPuts();
                m_top->eval();
                notify();
            } while (VerilatedVpi::evalNeeded());
            VerilatedVpi::callCbs(cbReadWriteSynch);
            VerilatedVpi::doInertialPuts();
            notify();
        } while (VerilatedVpi::evalNeeded());
    }

    // true if it ran at all
    bool run_clock() {
        const uint64_t deadline = VerilatedVpi::cbNextDeadline();
        bool ran = false;
        while (m_top->host_start != m_top->host_done && !m_context.gotFinish()
               && now + 2 * kHalfPeriod <= deadline) {
            half_cycle(1);
            half_cycle(0);
            ran = true;
        }
        if (ran) notify();
        return ran;
    }

    void half_cycle(uint8_t level) {
        now += kHalfPeriod;
        m_top->aclk = level;
        m_top->eval();
        dump();
    }

    void dump() {
#if VM_TRACE
        if (m_waves.isOpen()) m_waves.dump(now);
#endif
    }

    VerilatedContext m_context;
#if VM_TRACE
    VerilatedVcdC m_waves;
#endif
    std::unique_ptr<Vtop> m_top;
};

}  // namespace

double sc_time_stamp() { return static_cast<double>(now); }  // Verilator's library asks for it

int main(int argc, char** argv) {
    const char* waves = nullptr;
    for (int i = 1; i < argc; ++i)
        if (std::strcmp(argv[i], "--trace-file") == 0 && i + 1 < argc) waves = argv[i + 1];
    Simulation simulation{waves};
    simulation.context().commandArgs(argc, argv);
    simulation.run();
    return simulation.context().errorCount() > 0 ? 1 : 0;
}
