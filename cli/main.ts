import { readFileSync } from "node:fs";
import { enableCompileCache, registerHooks } from "node:module";
import { join } from "node:path";
import { Command } from "commander";
import { ROOT_DIR } from "./assets.ts";
import { COMMANDS, type Load, PARTS } from "./command-table.ts";
import { CommandError, runProgram } from "./terminal.ts";
import { VERSION } from "./version.ts";

function program(): Command {
  const root = new Command("r2k")
    .version(`r2k ${VERSION}`)
    .showHelpAfterError("(r2k --help lists the commands)")
    // A command's words are all its own, in their order: it may have commands and flags within.
    .enablePositionalOptions();
  root.helpInformation = () => readFileSync(join(ROOT_DIR, "cli/help.txt"), "utf8");
  return root;
}

/** A member of the store as a process of a cluster; started by `r2k start`. */
function member(name: string): Load | undefined {
  const number = /^store-(\d)$/.exec(name)?.[1];
  if (number === undefined) return undefined;
  return async () => {
    const { command } = await import("./process/store-member.ts");
    return { command: () => command(`store-${Number(number)}`) };
  };
}

/**
 * Caches V8's compiled code beside the bundle, if that folder is writable: the next start is
 * quicker. Commands load their own code behind this.
 */
function keepCompiled(): void {
  const root = process.env["R2K_ROOT"];
  if (root !== undefined) enableCompileCache(join(root, ".cache/compile"));
}

/**
 * Resolves imports between the bundle's files by their text: Node looks for each of them in the
 * file system, which is a third of the processor time of a short command.
 */
function resolveByText(): void {
  const bundle = new URL(".", import.meta.url).href;
  registerHooks({
    resolve(specifier, context, next) {
      const { parentURL } = context;
      const isOurs = parentURL?.startsWith(bundle) && /^\.\.?\/.*\.js$/.test(specifier);
      if (!isOurs) return next(specifier, context);
      return { url: new URL(specifier, parentURL).href, format: "module", shortCircuit: true };
    },
  });
}

async function main(args: readonly string[]): Promise<void> {
  keepCompiled();
  resolveByText();
  const root = program();
  const [name = "help"] = args;
  // A process of a cluster is `control --config FILE` or `node --config FILE`.
  const isProcess = args[1] === "--config" && Object.hasOwn(PARTS, name);
  const table = isProcess ? PARTS : { ...PARTS, ...COMMANDS };
  const load = (Object.hasOwn(table, name) ? table[name] : undefined) ?? member(name);
  if (load) root.addCommand((await load()).command(), { hidden: true });
  else if (name === "help") root.help();
  else if (!name.startsWith("-")) {
    throw new CommandError("NO_COMMAND", `there is no command "${name}"`, {
      remedy: "r2k --help lists the commands",
    });
  }
  await root.parseAsync(args, { from: "user" });
}

runProgram(main(process.argv.slice(2)));
