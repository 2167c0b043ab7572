import { writeFileSync } from "node:fs";
import type { TestModule } from "vitest/node";

declare module "vitest" {
  interface TaskMeta {
    /** Processor time of a file's process, and of the programs that it waited for, meanwhile. */
    cpu_s?: number;
  }
}

/** The results that Vitest's JSON reporter leaves out. */
export interface OwnReport {
  /** Messages of errors that no test caught. */
  readonly unhandled: readonly string[];
  /** Processor time by file. */
  readonly cpu_s: Readonly<Record<string, number>>;
}

/** Writes an `OwnReport` as JSON to the file that R2K_REPORT names. */
export default class OwnReporter {
  onTestRunEnd(
    modules: readonly TestModule[],
    errors: readonly { readonly message?: string }[],
  ): void {
    const report: OwnReport = {
      unhandled: errors.map(({ message = "an error without a message" }) => message),
      cpu_s: Object.fromEntries(modules.map((one) => [one.moduleId, one.meta().cpu_s ?? 0])),
    };
    writeFileSync(process.env["R2K_REPORT"]!, JSON.stringify(report));
  }
}
