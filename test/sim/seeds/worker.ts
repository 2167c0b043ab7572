// A process that runs one script after the other, as `pool.ts` hands them out.
import { MUTANTS } from "../mutants/all.ts";
import { runScript } from "../run.ts";
import type { Task, Verdict } from "./pool.ts";

process.on("message", ({ script, mutant }: Task) => {
  const seams = MUTANTS.find(({ name }) => name === mutant)?.seams;
  const began = process.cpuUsage();
  void runScript({ script, ...(seams ? { seams } : {}) }).then(({ counters, violation }) => {
    const { user, system } = process.cpuUsage(began);
    const verdict: Verdict = {
      script,
      counts: [...counters.counts],
      cpu_ms: (user + system) / 1000,
      checker: violation?.checker,
      message: violation?.message,
    };
    process.send?.(verdict);
  });
});
process.once("disconnect", () => process.exit(0));
