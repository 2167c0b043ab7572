import { Command } from "commander";
import { API_LEVEL, VERSION } from "../version.ts";

export function command(): Command {
  return new Command("version")
    .description("Versions of r2k, of the API it serves, and of Node.")
    .option("-o, --output <format>", "json")
    .action((flags: { output?: string }) => {
      const versions = { r2k: VERSION, kubernetes: API_LEVEL, node: process.version };
      const text =
        flags.output === "json"
          ? JSON.stringify(versions)
          : Object.entries(versions)
              .map(([name, version]) => `${name} ${version}`)
              .join("\n");
      process.stdout.write(`${text}\n`);
    });
}
