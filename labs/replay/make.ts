import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { LabError } from "../runner/lab-error.ts";
import { type Lab, readLabs } from "../runner/manifest.ts";
import { LABS_DIR, ROOT_DIR } from "../runner/paths.ts";
import { firstDeviation, shownPart } from "./deviation.ts";
import type { RecordedRun, RecordRequest } from "./record.ts";
import type { Replay, ReplayCase } from "./recording.ts";

/** A run that takes longer is assumed to loop, and is ended. */
const RECORD_MS_MAX = 60_000;
const HEAP_MIB_MAX = 1_024;
const OUTPUT_CHARS_MAX = 4_000;

export interface ReplayRequest {
  /** Part of a title; else the cases that the lab names. */
  readonly only?: string | undefined;
  readonly seed?: number | undefined;
  /** The folders with the judged part; empty for the reference. */
  readonly trees: readonly string[];
  /** How the judged part is called: `yours`. */
  readonly source: string;
  /** Arguments of `r2k lab replay` that repeat this: `3 --planted 2`. */
  readonly again: string;
}

function recordedLabs(): string {
  const labs = readLabs().filter(({ replay }) => replay !== undefined);
  return labs.map(({ number }) => number).join(", ");
}

/** Records a lab's cases with the judged part and with the reference, and compares them. */
export async function makeReplay(lab: Lab, request: ReplayRequest): Promise<Replay> {
  const { replay } = lab;
  if (!replay) {
    throw new LabError("NO_REPLAY", `lab ${lab.number} has nothing to replay`, {
      remedy: `labs ${recordedLabs()} have recordings: npm run lab replay 3`,
    });
  }
  const files = recordedFiles(lab, request.only !== undefined);
  const titles = request.only === undefined ? Object.keys(replay.cases ?? {}) : [request.only];
  const wanted: RecordRequest = { titles, variant: request.seed, about: replay.cases ?? {} };
  const isReference = request.trees.length === 0;
  const [reference, own] = await Promise.all([
    record(files, wanted, []),
    isReference ? undefined : record(files, wanted, request.trees),
  ]);
  if (reference.length === 0) {
    const why = `no case of lab ${lab.number} has "${request.only}" in its title`;
    throw new LabError("NO_CASE", why);
  }
  const cases = (own ?? reference).map((run, i) => {
    return caseOf(run, own ? reference[i] : undefined, request.again);
  });
  return { lab: lab.number, title: lab.title, source: request.source, cases };
}

/** The files that the lab names; for a wanted title also all others that have scenarios. */
function recordedFiles({ folder, checks, replay }: Lab, anyTitle: boolean): string[] {
  const path = (file: string) => join(LABS_DIR, folder, file);
  const scenarios = checks.filter((file) => readFileSync(path(file), "utf8").includes("scenario("));
  const files = new Set([...(replay?.files ?? []), ...(anyTitle ? scenarios : [])]);
  return [...files].map(path);
}

function caseOf(run: RecordedRun, reference: RecordedRun | undefined, again: string): ReplayCase {
  const { title, about, variantName, variant } = run;
  const deviation = reference && firstDeviation(run.recording, reference.recording);
  const own = shownPart(run.recording, deviation?.own);
  const described = {
    title,
    about,
    variant: `${variantName} ${variant}`,
    command: `./r2k lab replay ${again} --only "${title}" --seed ${variant}`,
    own: own.recording,
  };
  if (!deviation) return described;
  const other = shownPart(reference.recording, deviation.reference);
  // A part that is not written yet may end before there is a member.
  const { tracks } = own.recording.tracks.length > 0 ? own.recording : other.recording;
  return {
    ...described,
    own: { ...own.recording, tracks },
    reference: other.recording,
    deviation: {
      at: deviation.at,
      own: deviation.own - own.dropped,
      reference: deviation.reference - other.dropped,
    },
  };
}

async function record(
  files: readonly string[],
  request: RecordRequest,
  trees: readonly string[],
): Promise<RecordedRun[]> {
  const args = [
    `--max-old-space-size=${HEAP_MIB_MAX}`,
    "--import",
    join(LABS_DIR, "runner/overlay.ts"),
    join(LABS_DIR, "replay/record.ts"),
    ...files,
  ];
  const child = spawn(process.execPath, args, {
    cwd: ROOT_DIR,
    stdio: ["ignore", "pipe", "pipe", "pipe"],
    timeout: RECORD_MS_MAX,
    killSignal: "SIGKILL",
    env: { ...process.env, R2K_LAB_TREES: trees.join(":"), R2K_REPLAY: JSON.stringify(request) },
  });
  let output = "";
  for (const stream of [child.stdout!, child.stderr!]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output = (output + text).slice(-OUTPUT_CHARS_MAX);
    });
  }
  const ended = new Promise<number | null>((resolve, reject) => {
    child.on("error", reject);
    child.once("close", resolve);
  });
  const runs: RecordedRun[] = [];
  for await (const line of createInterface({ input: child.stdio[3] as Readable })) {
    runs.push(JSON.parse(line) as RecordedRun);
  }
  if ((await ended) === 0) return runs;
  throw new LabError("NOT_RECORDED", `the run could not be recorded: ${output.trim()}`, {
    remedy: `it ended, or ran longer than ${RECORD_MS_MAX / 1_000} s: npm run lab check says more`,
  });
}
