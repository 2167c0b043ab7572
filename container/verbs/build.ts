import { mkdtempDisposable } from "node:fs/promises";
import { tmpdir, totalmem } from "node:os";
import path from "node:path";
import { replaceFile } from "@raft2kube/linux/file/durable-file.ts";
import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import { Command, Option } from "commander";
import { type BuildWish, buildImage, dockerfileFromInput, readDockerfile } from "../build/build.ts";
import { withBuilder } from "../build/builder.ts";
import type { ProgressKind } from "../build/progress.ts";
import { type FindHost, type Host, requireCgroups } from "../engine/host.ts";
import { RUN_MEMORY_SHARE, RUN_PIDS } from "../limits.ts";
import { many } from "../run/flags.ts";
import { bytesOf, integerOf, pairsOf } from "../run/values.ts";

interface Flags {
  tag: string[];
  file?: string;
  buildArg: string[];
  label: string[];
  target?: string;
  cache: boolean;
  pull?: boolean;
  quiet?: boolean;
  progress: ProgressKind;
  network: string;
  explain?: boolean;
  iidfile?: string;
  memory?: string;
  pidsLimit?: string;
}

/** Flags that change nothing: steps leave no containers, and the image is always loaded. */
const WITHOUT_EFFECT = ["--rm", "--force-rm", "--load"];

export function command(find: FindHost): Command {
  const build = new Command("build")
    .argument("<context>")
    .description("Build an image by a Dockerfile.")
    .addOption(many("-t, --tag <name>", "the image's name"))
    .option("-f, --file <file>", "CONTEXT/Dockerfile by default; - is standard input")
    .addOption(many("--build-arg <argument>", "NAME=VALUE, or NAME for the value here"))
    .addOption(many("--label <label>", "NAME=VALUE"))
    .option("--target <stage>", "the stage to build, by default the last")
    .option("--no-cache", "make every step again")
    .option("--pull", "fetch the base images again")
    .option("-q, --quiet", "print the id alone")
    .option("--explain", "print what each step made, and why the cache was used or not")
    .option("-m, --memory <bytes>", "of a step's processes; by default 9/10 of the machine's")
    .option("--pids-limit <number>", `processes of a step, by default ${RUN_PIDS}`)
    .option("--iidfile <file>", "write the image's id there")
    .addOption(
      new Option("--progress <kind>", "")
        .choices(["auto", "plain", "quiet", "tty"])
        .default("auto"),
    )
    .addOption(
      new Option("--network <name>", "what steps reach: none, bridge, host, or yours").default(
        "none",
      ),
    );
  for (const flag of WITHOUT_EFFECT) build.addOption(new Option(flag).hideHelp());
  return build.action(async (context: string, flags: Flags) => {
    await using none = await mkdtempDisposable(path.join(tmpdir(), "r2k-no-context-"));
    const host = await find();
    const interrupted = new AbortController();
    const stop = () =>
      interrupted.abort(new RuntimeError("unavailable", "the build was interrupted"));
    // Each time: a terminal's Ctrl-C comes twice, once from the program that has started this.
    process.on("SIGINT", stop).on("SIGTERM", stop);
    const wish = await wishOf(context, flags, none.path);
    const limits = { signal: interrupted.signal, ...limitsOf(host, flags) };
    const image = await withBuilder(host, limits, (builder) =>
      buildImage(builder, wish, {
        buildArgs: pairsOf("--build-arg", flags.buildArg, (name) => process.env[name]),
        labels: pairsOf("--label", flags.label),
        noCache: !flags.cache,
        network: flags.network,
        explain: flags.explain ?? false,
        epoch_ms: epochOf(process.env["SOURCE_DATE_EPOCH"]),
      }),
    ).finally(() => process.off("SIGINT", stop).off("SIGTERM", stop));
    if (flags.iidfile !== undefined) await replaceFile(flags.iidfile, image.id);
    process.stdout.write(`${image.id}\n`);
  });
}

/** Returns the build that is asked for: a context `-` is a Dockerfile from standard input, and an empty folder. */
async function wishOf(context: string, flags: Flags, empty: string): Promise<BuildWish> {
  const folder = context === "-" ? empty : context;
  const file = context === "-" ? "-" : (flags.file ?? path.join(folder, "Dockerfile"));
  return {
    context: folder,
    dockerfile: file === "-" ? await dockerfileFromInput() : readDockerfile(folder, flags.file),
    ...(file !== "-" && { file }),
    names: flags.tag,
    progress: flags.quiet ? "quiet" : flags.progress,
    pull: flags.pull ?? false,
    ...(flags.target !== undefined && { target: flags.target }),
  };
}

/** The limits of a step's processes. */
function limitsOf(host: Host, { memory, pidsLimit }: Flags) {
  if (memory !== undefined) requireCgroups(host, "-m");
  if (pidsLimit !== undefined) requireCgroups(host, "--pids-limit");
  return {
    memory_bytes:
      memory === undefined ? Math.floor(totalmem() * RUN_MEMORY_SHARE) : bytesOf("-m", memory),
    pids: pidsLimit === undefined ? RUN_PIDS : integerOf("--pids-limit", pidsLimit, 1),
  };
}

/** The time of reproducible builds (reproducible-builds.org), in milliseconds. */
function epochOf(text: string | undefined): number | undefined {
  return text === undefined ? undefined : integerOf("SOURCE_DATE_EPOCH", text) * 1000;
}
