// Records runs with the parts that the trees over the product contain (overlay.ts). Arguments: the
// files to load; R2K_REPLAY has the wanted cases. Writes one RecordedRun a line to descriptor 3.

import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { pathToFileURL } from "node:url";
import { NOT_WRITTEN } from "../check.ts";
import { LabCluster } from "../raft/cluster.ts";
import { observeClusters } from "../raft/observer.ts";
import { registeredScenarios, type Scenario } from "../raft/scenario.ts";
import { type Recordable, registeredRecordables, StepClock } from "./case.ts";
import { ClusterRecorder } from "./raft.ts";
import { Recorder } from "./recorder.ts";
import type { Recording } from "./recording.ts";

/** A request of the parent. */
export interface RecordRequest {
  /** Parts of titles; all that is registered without any. */
  readonly titles: readonly string[];
  /** Variant to record in place of those that are usually shown. */
  readonly variant?: number | undefined;
  readonly about: Readonly<Record<string, string>>;
}

export interface RecordedRun {
  readonly title: string;
  readonly about: string;
  readonly variantName: string;
  readonly variant: number;
  readonly recording: Recording;
}

const REPORT_FD = 3;

/** A scenario of the Raft labs; it makes a recorder of its own, on its cluster's clock. */
function playScenario({ options, body }: Scenario, seed: number): Recording {
  let observer: ClusterRecorder | undefined;
  observeClusters((cluster) => (observer = new ClusterRecorder(cluster)));
  try {
    body(new LabCluster({ ...options, seed }));
  } catch (thrown) {
    if (!observer) throw thrown;
    return observer.recorder.finish(described(thrown));
  }
  return observer!.recorder.finish();
}

async function playRecordable(one: Recordable, variant: number): Promise<Recording> {
  const clock = new StepClock();
  const recorder = new Recorder(one.unit, () => clock.now);
  try {
    await one.play(recorder, clock, variant);
  } catch (thrown) {
    return recorder.finish(described(thrown));
  }
  return recorder.finish();
}

function described(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  if (NOT_WRITTEN.test(thrown.message) || thrown.name === "Error") return thrown.message;
  return (thrown.stack ?? String(thrown)).split("\n").slice(0, 4).join("\n");
}

async function main(files: readonly string[]): Promise<void> {
  const { titles, variant, about } = JSON.parse(process.env["R2K_REPLAY"]!) as RecordRequest;
  const out = createWriteStream("", { fd: REPORT_FD });
  const report = async (run: RecordedRun) => {
    if (!out.write(`${JSON.stringify(run)}\n`)) await once(out, "drain");
  };
  for (const file of files) await import(pathToFileURL(file).href);
  const isWanted = ({ title }: { title: string }) => {
    return titles.length === 0 || titles.some((part) => title.includes(part));
  };
  for (const scenario of registeredScenarios().filter(isWanted)) {
    const { title } = scenario;
    const seed = variant ?? 1;
    const described = { title, about: about[title] ?? "", variantName: "seed", variant: seed };
    await report({ ...described, recording: playScenario(scenario, seed) });
  }
  for (const one of registeredRecordables().filter(isWanted)) {
    const { title, about: what, variantName } = one;
    for (const number of variant === undefined ? one.variants : [variant]) {
      const recording = await playRecordable(one, number);
      await report({ title, about: what, variantName, variant: number, recording });
    }
  }
  out.end();
}

await main(process.argv.slice(2));
