import {
  check,
  checkOptions,
  isSimpler,
  NOT_WRITTEN,
  repeatCommand,
  ScenarioFailure,
  stillAtWork,
} from "../check.ts";
import { BrokenProperty } from "./broken-property.ts";
import { type ClusterOptions, LabCluster } from "./cluster.ts";
import { cutToCause, focusOf, membersOf } from "./cut.ts";
import { drawDiagram } from "./diagram.ts";
import { DIAGRAM_LINES, SIMPLER_SEEDS_MS } from "./limits.ts";

export interface ScenarioOptions extends Omit<ClusterOptions, "seed"> {
  /** How often it runs by default, each time from another seed. */
  readonly runs: number;
}

/** A scenario as it was registered: what a replay plays again. */
export interface Scenario {
  readonly title: string;
  readonly options: Omit<ClusterOptions, "seed">;
  readonly body: (cluster: LabCluster) => void;
}

const registered: Scenario[] = [];

/** The scenarios of all files loaded so far. */
export const registeredScenarios = (): readonly Scenario[] => registered;

/**
 * Registers a check that runs `body` on clusters of the reader's core. A failure's message has a
 * diagram of the messages before it, and the command that repeats it.
 */
export function scenario(
  title: string,
  { runs: usualRuns, ...cluster }: ScenarioOptions,
  body: (cluster: LabCluster) => void,
): void {
  registered.push({ title, options: cluster, body });
  const playAll = () => {
    const { runs = usualRuns, seed: first = 1 } = checkOptions();
    let failure: ScenarioFailure | undefined;
    let until_ms = Number.POSITIVE_INFINITY;
    for (let seed = first; seed < first + runs && performance.now() < until_ms; seed++) {
      stillAtWork();
      const found = play(title, { ...cluster, seed }, body);
      if (!found) continue;
      // Another seed may show the same mistake with fewer messages.
      if (!failure) until_ms = performance.now() + SIMPLER_SEEDS_MS;
      if (!failure || isSimpler(found.size, failure.size)) failure = found;
    }
    if (failure) throw failure;
  };
  check(title, playAll, { scenario: true });
}

function play(
  title: string,
  options: ClusterOptions,
  body: (cluster: LabCluster) => void,
): ScenarioFailure | undefined {
  let cluster: LabCluster | undefined;
  try {
    cluster = new LabCluster(options);
    body(cluster);
    return undefined;
  } catch (thrown) {
    const reason = thrown instanceof Error ? thrown : new Error(String(thrown));
    if (NOT_WRITTEN.test(reason.message) || !cluster) throw reason;
    return explain(title, options.seed, cluster, reason);
  }
}

function explain(title: string, seed: number, cluster: LabCluster, reason: Error): ScenarioFailure {
  const members = cluster.servers.map(({ id }) => id);
  const broken = reason instanceof BrokenProperty ? reason : undefined;
  const focus = broken && focusOf(broken.cause);
  const concerned = broken && membersOf(broken.cause, broken.member);
  const events = cutToCause(cluster.trace.events, focus, concerned);
  const diagram = drawDiagram(events, members, DIAGRAM_LINES);
  const said = reason.name === "Error" ? reason.message : describeThrown(reason);
  const lines = [
    said,
    "",
    `events before the failure, in seconds (t: term, c: commit index), seed ${seed}:`,
    ...diagram,
    "",
    `to repeat: ${repeatCommand(title, seed)} --runs 1`,
    `to watch: ${repeatCommand(title, seed, "replay")}`,
  ];
  const size = { members: members.length, lines: diagram.length };
  return new ScenarioFailure(lines.join("\n"), size, reason);
}

/** Describes a bug in the reader's code: the message and the nearest frames. */
function describeThrown(reason: Error): string {
  return (reason.stack ?? String(reason)).split("\n").slice(0, 4).join("\n");
}
