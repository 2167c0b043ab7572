import type { Command, Option } from "commander";

/** Every flag of a command with the value that it runs with, written as Go's programs write it. */
export function flagValues(command: Command): Record<string, string> {
  const values = command.opts();
  return Object.fromEntries(
    command.options.map((option) => {
      const value: unknown = values[option.attributeName()];
      return [(option.long ?? "").replace(/^--/, ""), textOf(option, value)];
    }),
  );
}

function textOf(option: Option, value: unknown): string {
  if (value === undefined || value === null) return option.isBoolean() ? "false" : "";
  return Array.isArray(value) ? `[${value.join(",")}]` : String(value);
}
