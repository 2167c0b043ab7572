/** One entry of a container's log file. */
export interface CriLogLine {
  /** RFC 3339 with nanoseconds, as written. */
  time: string;
  stream: "stdout" | "stderr";
  /** Whether the container's line ends here; a long one is cut into several entries. */
  full: boolean;
  text: Buffer;
}

const SPACE = 0x20;

/** Reads one line of the CRI log format, without its newline; undefined when it is not one. */
export function parseCriLogLine(line: Buffer): CriLogLine | undefined {
  const first = line.indexOf(SPACE);
  const second = line.indexOf(SPACE, first + 1);
  if (first < 0 || second < 0) return undefined;
  const third = line.indexOf(SPACE, second + 1);
  const end = third < 0 ? line.length : third;
  const stream = line.toString("latin1", first + 1, second);
  if (stream !== "stdout" && stream !== "stderr") return undefined;
  // Tags are separated by colons; the first says whether the line is partial.
  const tag = line.toString("latin1", second + 1, end).split(":")[0];
  if (tag !== "F" && tag !== "P") return undefined;
  const text = third < 0 ? Buffer.alloc(0) : line.subarray(third + 1);
  return { time: line.toString("latin1", 0, first), stream, full: tag === "F", text };
}
