/** Flags of V8: it lives for a moment, or waits to be replaced by a container's program. */
const NODE_FLAGS = [
  "--disable-warning=ExperimentalWarning", "--v8-pool-size=0", "--max-semi-space-size=1",
];

/** The command that runs this part, for a runtime that starts it. */
export function byHandCommand(): string[] {
  return [process.execPath, ...NODE_FLAGS, process.argv[1]!, "by-hand"];
}
