import { OWN_PARTS } from "../supervisor/own-parts.ts";

/** Flags of V8: it lives for a moment, or waits to be replaced by a container's program. */
const NODE_FLAGS = [
  "--disable-warning=ExperimentalWarning",
  "--v8-pool-size=0",
  "--max-semi-space-size=1",
];

/** The lab that builds this part. */
const LAB = "01";

/**
 * Returns the runtime's option for this part. New pods may choose it if that is asked for, or if
 * the part in this program is the reader's own: it has not been reviewed as crun has.
 */
export function byHandOption(isAsked = false) {
  return { command: byHandCommand(), isOffered: isAsked || OWN_PARTS.includes(LAB) };
}

/** The command that runs this part, for a runtime that starts it. */
export function byHandCommand(): string[] {
  return [process.execPath, ...NODE_FLAGS, process.argv[1]!, "by-hand"];
}
