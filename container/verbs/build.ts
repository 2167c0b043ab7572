import { mkdtempDisposable } from "node:fs/promises";
import { tmpdir, totalmem } from "node:os";
import path from "node:path";
import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import { buildImage } from "../build/build.ts";
import { withBuilder } from "../build/builder.ts";
import { dockerfileFromInput, readDockerfile } from "../build/context.ts";
import { type Host, requireCgroups } from "../engine/host.ts";
import { print } from "../format/list.ts";
import { RUN_MEMORY_SHARE, RUN_PIDS } from "../limits.ts";
import { LABEL, PLATFORM } from "../run/flags.ts";
import { bytesOf, integer, read, variableOf } from "../run/values.ts";
import { type Given, verb } from "../verb.ts";

const FLAGS = {
  ...PLATFORM,
  "-t, --tag <name>...": "the image's name",
  "-f, --file <file>": "CONTEXT/Dockerfile by default; - is standard input",
  "--build-arg <argument>...": { about: "NAME=VALUE, or NAME for the value here", as: variableOf },
  ...LABEL,
  "--target <stage>": "the stage to build, by default the last",
  "--no-cache": "make every step again",
  "--pull": "fetch the base images again",
  "-q, --quiet": "print the id alone",
  "--explain": "print what each step made, and why the cache was used or not",
  "-m, --memory <bytes>": { about: "of its steps; by default 9/10 of the machine's", as: bytesOf },
  "--pids-limit <number>": { about: `of its steps, by default ${RUN_PIDS}`, as: integer(1) },
  "--progress <kind>": { about: "", by: "auto", choices: ["auto", "plain", "quiet", "tty"] },
  "--network <name>": { about: "what steps reach: none, bridge, host, or yours", by: "none" },
  "--rm": "as without: steps leave no containers",
  "--force-rm": "as without",
  "--load": "as without: the image is always loaded",
} as const;
type BuildFlags = Given<typeof FLAGS>;

export const build = verb(
  "build <context>",
  "Build an image by a Dockerfile.",
  FLAGS,
  async (host, [context], flags) => {
    // A context `-` is a Dockerfile from standard input, and an empty folder.
    await using none = await mkdtempDisposable(path.join(tmpdir(), "r2k-no-context-"));
    const folder = context === "-" ? none.path : context;
    const file = context === "-" ? "-" : (flags.file ?? path.join(folder, "Dockerfile"));
    const interrupted = new AbortController();
    const stop = () =>
      interrupted.abort(new RuntimeError("unavailable", "the build was interrupted"));
    // Each time: a terminal's Ctrl-C comes twice, once from the program that has started this.
    process.on("SIGINT", stop).on("SIGTERM", stop);
    const wish = {
      context: folder,
      dockerfile: file === "-" ? await dockerfileFromInput() : readDockerfile(folder, flags.file),
      file: file === "-" ? undefined : file,
      names: flags.tag,
      target: flags.target,
      progress: flags.quiet ? "quiet" : flags.progress,
      pull: flags.pull,
      buildArgs: Object.fromEntries(flags.buildArg),
      labels: Object.fromEntries(flags.label),
      noCache: !flags.cache,
      network: flags.network,
      explain: flags.explain,
      epoch_ms: epochOf(process.env["SOURCE_DATE_EPOCH"]),
    };
    const limits = { signal: interrupted.signal, ...limitsOf(host, flags) };
    const image = await withBuilder(host, limits, (builder) => buildImage(builder, wish)).finally(
      () => process.off("SIGINT", stop).off("SIGTERM", stop),
    );
    print([image.id]);
  },
);

/** The limits of the steps' processes. */
function limitsOf(host: Host, { memory, pidsLimit }: BuildFlags) {
  if (memory !== undefined) requireCgroups(host, "-m");
  if (pidsLimit !== undefined) requireCgroups(host, "--pids-limit");
  return {
    memory_bytes: memory ?? Math.floor(totalmem() * RUN_MEMORY_SHARE),
    pids: pidsLimit ?? RUN_PIDS,
  };
}

/** The time of reproducible builds (reproducible-builds.org), in milliseconds. */
function epochOf(text: string | undefined): number | undefined {
  return text === undefined ? undefined : read("SOURCE_DATE_EPOCH", text, integer()) * 1000;
}
