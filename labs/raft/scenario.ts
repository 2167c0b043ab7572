import { NOT_WRITTEN, check, checkOptions, stillAtWork } from "../check.ts";
import { type ClusterOptions, LabCluster } from "./cluster.ts";
import { drawDiagram } from "./diagram.ts";
import { DIAGRAM_LINES } from "./limits.ts";

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
export function registeredScenarios(): readonly Scenario[] {
  return registered;
}

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
  check(title, () => {
    const { runs = usualRuns, seed: first = 1 } = checkOptions();
    for (let seed = first; seed < first + runs; seed++) {
      stillAtWork();
      play(title, { ...cluster, seed }, body);
    }
  });
}

function play(title: string, options: ClusterOptions, body: (cluster: LabCluster) => void): void {
  let cluster: LabCluster | undefined;
  try {
    cluster = new LabCluster(options);
    body(cluster);
  } catch (thrown) {
    const reason = thrown instanceof Error ? thrown : new Error(String(thrown));
    if (NOT_WRITTEN.test(reason.message) || !cluster) throw reason;
    throw new Error(explain(title, options.seed, cluster, reason), { cause: reason });
  }
}

function explain(title: string, seed: number, cluster: LabCluster, reason: Error): string {
  const members = cluster.servers.map(({ id }) => id);
  const diagram = drawDiagram(cluster.trace.events, members, DIAGRAM_LINES);
  const broken = reason.name === "Error" ? reason.message : describeThrown(reason);
  const { lab = "", planted } = checkOptions();
  const judged = planted === undefined ? lab : `${lab} --planted ${planted}`;
  return [
    broken,
    "",
    `events before the failure, in seconds (t: term, c: commit index), seed ${seed}:`,
    ...diagram,
    "",
    `to repeat: ./r2k lab check ${judged} --only "${title}" --seed ${seed} --runs 1`,
    `to watch: ./r2k lab replay ${judged} --only "${title}" --seed ${seed}`,
  ].join("\n");
}

/** Describes an assertion of the core or a bug in the reader's code: message and nearest frames. */
function describeThrown(reason: Error): string {
  return (reason.stack ?? String(reason)).split("\n").slice(0, 4).join("\n");
}
