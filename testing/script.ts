/** One step of a script: an event, and the notes of what follows from it. */
export type Step = { readonly event: string; readonly notes: readonly string[] };

/** Reads a script in a line: `add a | take: a | close: the end, the end`. */
export function stepsOf(script: string): Step[] {
  return script.split(" | ").map((step) => {
    const [, event = "", notes = ""] = /^(.*?)(?:: (.*))?$/.exec(step)!;
    return { event, notes: notes.split(", ").filter(Boolean) };
  });
}
