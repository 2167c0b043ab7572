import type { Lab } from "./manifest.ts";
import type { LabState } from "./state.ts";

/**
 * The cluster, each part with the number of its lab. `##07` has the place of the number and of the
 * two characters before it.
 */
const PICTURE = `
 kubectl ───────► apiserver ##07 ─────────► MVCC, watch, leases ##06
                    ▲     ▲                        ▲ committed entries
 controllers ##08 ──┤     │                Raft: election ##03
 scheduler   ##09 ──┘     │                      replication ##04  ◄──► other members
                          │                      snapshots, membership ##05
                          │                        ▼ durable, then acknowledged
                          │                write-ahead log ##02
 ┌─ node ─────────────────┴────────────────────────────────────────┐
 │ kubelet ##11 ──CRI──► runtime ##10 ──► containers ##01          │
 │    │                     └──CNI──► bridge ##12, overlay ##13 ◄──┼──► other nodes
 │    ├──CSI──► hostPath ##16, NFS ##17                            │
 │    └──► device plugins ##18                                     │
 │ service proxy ##14     DNS ##15                                 │
 └─────────────────────────────────────────────────────────────────┘
`.slice(1, -1);

/** Explains the marks before a number. */
export const LEGEND = "■ yours runs   ✓ passed   ◐ in part (01 of 01 and 01b)   ○ not yet";

/** Draws the cluster: which parts the reader has written, and which run. */
export function clusterPicture(labs: readonly Lab[], state: LabState): string {
  return PICTURE.replace(/##(\d\d)/g, (_, number: string) => {
    const ofPart = labs.filter((lab) => lab.number.startsWith(number));
    return `${markOf(ofPart, state)} ${number}`;
  });
}

/** Draws a running cluster, whose processes run these labs' parts, and says what is not theirs. */
export function assembledPicture(labs: readonly Lab[], running: readonly string[]): string[] {
  const entries = running.map((number) => [number, { startedAt: "", use: "own" }] as const);
  const state: LabState = { formatVersion: 1, labs: Object.fromEntries(entries) };
  const others = labs.filter(({ number, files }) => files.length > 0 && !running.includes(number));
  const rest = others.map(({ number }) => number).join(", ");
  const about = rest === "" ? "Every part that has a lab is yours." : `The reference's: ${rest}.`;
  return ["", clusterPicture(labs, state), "", ` ${LEGEND}`, ` ${about}`];
}

function markOf(labs: readonly Lab[], state: LabState): string {
  const progress = labs.map(({ number }) => state.labs[number]);
  if (progress.every((each) => each?.use === "own")) return "■";
  if (progress.every((each) => each?.passedAt)) return "✓";
  return progress.some((each) => each?.use === "own" || each?.passedAt) ? "◐" : "○";
}
