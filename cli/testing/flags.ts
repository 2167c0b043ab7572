import { commandWith, type FlagsOf, type FlagTable } from "../flags.ts";

/** Returns what the flags of a table get from words; each is split at its spaces, but for values. */
export async function flagsOf<const T extends FlagTable>(
  table: T,
  ...words: string[]
): Promise<FlagsOf<T>> {
  const read = Promise.withResolvers<FlagsOf<T>>();
  const command = commandWith("x", "", table, async (given) => read.resolve(given));
  const split = words.flatMap((each) => (each.includes("=") ? each : each.split(" ")));
  await command.parseAsync(split, { from: "user" });
  return await read.promise;
}
