import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import type { CheckOutcome } from "../runner/check.ts";
import { LabError } from "../runner/lab-error.ts";
import type { Lab } from "../runner/manifest.ts";
import { ownTree } from "../runner/own-tree.ts";
import { type CheckRequest, partsUnderCheck, plantedMistake } from "../runner/report.ts";
import { cacheFolder, writeReference } from "../runner/workspace.ts";
import { replayHtml } from "./html.ts";
import { makeReplay, type ReplayRequest } from "./make.ts";
import type { Replay, ReplayCase } from "./recording.ts";
import { PageServer } from "./serve.ts";

export interface ReplayFlags extends CheckRequest {
  /** The file to write. */
  readonly out?: string;
}

/** Records a lab's cases into one file; returns where it is, and a line about each case. */
export async function writeReplay(lab: Lab, flags: ReplayFlags): Promise<string[]> {
  const replay = await record(lab, flags);
  const path = resolve(flags.out ?? join(cacheFolder(), "replay", `${lab.number}.html`));
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, await replayHtml(replay));
  const cases = replay.cases.map((one) => `  ${describeCase(one)}`);
  return [`lab ${lab.number}: ${lab.title}, ${replay.source}`, ...cases, `open ${path}`];
}

/** A case in a line: how it ended, and from when on it differs from the reference's run. */
export function describeCase({ title, variant, own, deviation }: ReplayCase): string {
  const end = own.failure === undefined ? "every promise held" : firstLine(own.failure);
  const shown = `${title} (${variant}): ${end}`;
  if (!deviation) return shown;
  const { at } = deviation;
  const since = own.unit === "ms" ? `${(at / 1_000).toFixed(4)} s` : `step ${at}`;
  const differs = `${shown}; differs from the reference's run from ${since} on`;
  return own.failure === undefined ? `${differs}, which is no mistake in itself` : differs;
}

/** Serves the replay of the newest run while a reader works on a lab. */
export class ReplayServer {
  readonly #lab: Lab;
  readonly #pages: PageServer;

  private constructor(lab: Lab, pages: PageServer) {
    this.#lab = lab;
    this.#pages = pages;
  }

  static async listen(lab: Lab, port: number): Promise<ReplayServer> {
    return new ReplayServer(lab, await PageServer.listen(port));
  }

  get url(): string {
    return this.#pages.url;
  }

  /** Says on the page that the judge is at work: what it shows is of the save before. */
  judging(): void {
    this.#pages.publishState("judging");
  }

  /** Records the scenario that failed, with its seed; without one, what the lab shows. */
  async judged(request: CheckRequest, outcomes: readonly CheckOutcome[]): Promise<void> {
    try {
      const shown = failedCase(outcomes);
      const replay = await this.#recorded({ ...request, ...shown });
      const failed = outcomes.filter(({ passed }) => !passed).map(({ title }) => title);
      const others = failed.filter((title) => title !== shown.only);
      this.#pages.publish(await replayHtml({ ...replay, failed: others }));
    } catch (thrown) {
      if (!(thrown instanceof LabError)) throw thrown;
      this.#pages.publishNotice(`The run is not recorded: ${thrown.message}`);
    }
  }

  /** Records the cases that `only` names; all where it names a check that is no scenario. */
  async #recorded(flags: ReplayFlags): Promise<Replay> {
    try {
      return await record(this.#lab, flags);
    } catch (thrown) {
      if (!(thrown instanceof LabError) || thrown.code !== "NO_CASE") throw thrown;
      return record(this.#lab, { ...flags, only: undefined, seed: undefined });
    }
  }

  close(): Promise<void> {
    return this.#pages.close();
  }
}

/** The first failure that says with which seed it is played again. */
export function failedCase(
  outcomes: readonly Pick<CheckOutcome, "title" | "passed" | "message">[],
): { readonly only?: string; readonly seed?: number } {
  for (const { title, passed, message } of outcomes) {
    const seed = passed ? undefined : /--seed (\d+)/.exec(message)?.[1];
    if (seed !== undefined) return { only: title, seed: Number(seed) };
  }
  return {};
}

const firstLine = (text: string): string => text.split("\n")[0]!;

/** Judges the reader's part where there is one, else the reference. */
async function record(lab: Lab, flags: ReplayFlags): Promise<Replay> {
  const { only, seed, planted } = flags;
  const common = { only, seed };
  if (planted !== undefined) return recordPlanted(lab, planted, common);
  if (flags.reference || !existsSync(ownTree(lab.number))) {
    const again = `${lab.number} --reference`;
    return makeReplay(lab, { ...common, trees: [], source: "the reference", again });
  }
  const trees = partsUnderCheck(lab, flags).map((number) => ownTree(number));
  return makeReplay(lab, { ...common, trees, source: "your part", again: lab.number });
}

async function recordPlanted(
  lab: Lab,
  planted: number,
  common: Pick<ReplayRequest, "only" | "seed">,
): Promise<Replay> {
  const mistake = plantedMistake(lab, planted);
  const tree = mkdtempSync(join(cacheFolder(), "labs-replay-"));
  try {
    writeReference(lab, tree, mistake);
    const source = `planted: ${mistake.name}`;
    const again = `${lab.number} --planted ${planted}`;
    return await makeReplay(lab, { ...common, trees: [tree], source, again });
  } finally {
    rmSync(tree, { recursive: true });
  }
}
