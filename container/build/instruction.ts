import { writeFileSync } from "node:fs";
import { mkdtempDisposable } from "node:fs/promises";
import path from "node:path";
import { Directory } from "@raft2kube/linux/beneath/directory.ts";
import { resolveUser } from "@raft2kube/runtime/oci/user.ts";
import { makeOwned } from "../files/copy.ts";
import { copyInto, type MadeFile } from "./copy-step.ts";
import { download } from "./download.ts";
import { expand, expandWords, type Variables } from "./expand.ts";
import { createdOf, withStep } from "./image.ts";
import { changeDefaults, DEFAULT_SHELL, environmentOf } from "./metadata.ts";
import { badLine } from "./parse.ts";
import { mountsOf, withMounts } from "./run-mounts.ts";
import { runInside, SCRIPT } from "./run-step.ts";
import { hashOf, placesOf, type Source } from "./source.ts";
import { type Doing, keyOf, layerStep, readOnlyTree, type StageState } from "./stage.ts";
import { argumentsOf, PROXY_ARGUMENTS } from "./stages.ts";

/** Arguments and environment, which come last, as variables. */
function variablesOf({ state }: Doing): Map<string, string> {
  return new Map([...state.args, ...environmentOf(state.draft.defaults)]);
}

/** Carries out one instruction. Returns the stage after it. */
export async function applyInstruction(doing: Doing): Promise<StageState> {
  const { instruction, state, progress, options } = doing;
  const { name, text } = instruction;
  if (name === "ARG") return setArguments(doing);
  if (name === "RUN") return run(doing);
  if (name === "COPY" || name === "ADD") return copy(doing);
  const variables = variablesOf(doing);
  const changedDefaults = changeDefaults(state.draft.defaults, instruction, variables);
  // ENTRYPOINT takes the base's CMD away, not one of this stage.
  const { Cmd } = state.draft.defaults;
  const keepsCmd = name === "ENTRYPOINT" && state.setsCmd && Cmd !== undefined;
  const defaults = keepsCmd ? { ...changedDefaults, Cmd } : changedDefaults;
  if (defaults === undefined) throw badLine(instruction.line, `${name} is not supported`);
  const key = keyOf(state.key, name, defaults);
  const author = name === "MAINTAINER" ? { author: text } : {};
  const setsCmd = state.setsCmd || name === "CMD";
  const changed = { ...state, setsCmd, draft: { ...state.draft, ...author, defaults } };
  if (name === "WORKDIR") return makeWorkingDirectory(doing, changed, key);
  const created = createdOf(state.draft, options, doing.builder.host.clock);
  const entry = { created, created_by: `${name} ${text}`, comment: "r2k container build" };
  if (options.explain) progress.note("made: a setting, no layer");
  progress.done(state.wasCached ? "CACHED" : "DONE");
  return { ...changed, key, draft: withStep(changed.draft, undefined, entry) };
}

function setArguments({ state, instruction, globals, options, progress }: Doing): StageState {
  const variables = new Map([...globals, ...state.args, ...environmentOf(state.draft.defaults)]);
  const args = new Map(state.args);
  for (const [name, value] of argumentsOf(instruction, variables, options.buildArgs)) {
    const known = value ?? globals.get(name);
    if (known !== undefined) args.set(name, known);
  }
  progress.done("DONE");
  return { ...state, args };
}

function makeWorkingDirectory(doing: Doing, changed: StageState, key: string): Promise<StageState> {
  const { builder, options, progress, instruction } = doing;
  const place = changed.draft.defaults.WorkingDir ?? "/";
  return layerStep(builder, options, changed, {
    key,
    progress,
    history: `WORKDIR ${instruction.text}`,
    make: async (rootfs) => {
      using root = Directory.open(rootfs);
      const inside = place.replace(/^\/+/, "") || ".";
      const { User } = changed.draft.defaults;
      const owner = User === undefined ? undefined : resolveUser(rootfs, User);
      makeOwned(root, inside, owner)[Symbol.dispose]();
    },
  });
}

/** The command of RUN, whose here-documents the shell reads. */
function commandOf({ instruction, state }: Doing): string[] {
  const { json, text, heredocs } = instruction;
  if (json) return json;
  const shell = state.draft.defaults.Shell ?? DEFAULT_SHELL;
  if (heredocs.length === 0) return [...shell, text];
  const [only] = heredocs;
  if (/^<<-?[ \t]*["']?[A-Za-z0-9_.-]+["']?$/.test(text)) {
    return only!.content.startsWith("#!") ? [SCRIPT] : [...shell, only!.content];
  }
  const documents = heredocs.map(({ name, content }) => `${content}${name}\n`).join("");
  return [...shell, `${text}\n${documents}`];
}

async function run(doing: Doing): Promise<StageState> {
  const { builder, options, state, instruction, progress, sources, stage } = doing;
  const { defaults } = state.draft;
  const variables = variablesOf(doing);
  const network = networkOf(doing);
  const args = commandOf(doing);
  const mounts = mountsOf(instruction, variables, defaults.WorkingDir);
  const script = args[0] === SCRIPT ? instruction.heredocs[0]?.content : undefined;
  const hidden = Object.entries(options.buildArgs).filter(([name]) => PROXY_ARGUMENTS.has(name));
  const { context } = sources;
  // The content that a mount reads is part of what the step depends on.
  const bound = await Promise.all(
    mounts.map(async ({ type, from, source }) => {
      if (type !== "bind") return "";
      if (from !== undefined) return (await sources.draftNamed(from, stage.index)).key;
      return hashOf(context, placesOf(context, source));
    }),
  );
  const environment = [...state.args, ...environmentOf(defaults)];
  const { User, WorkingDir } = defaults;
  const key = keyOf(
    ...[state.key, "RUN", args, environment, User, WorkingDir, mounts, bound],
    ...[options.epoch_ms, script],
  );
  const step = { args, script, network, defaults, env: new Map([...hidden, ...variables]) };
  return layerStep(builder, options, state, {
    key,
    history: `RUN ${args.join(" ")}`,
    progress,
    mounts: mounts.map(({ target }) => target),
    make: (rootfs) =>
      withMounts(doing, mounts, (ociMounts) =>
        runInside(builder, rootfs, { ...step, mounts: ociMounts }, (chunk) =>
          progress.output(chunk),
        ),
      ),
  });
}

/** A step reaches no network but what the command line names; `--network=none` is for one step. */
function networkOf({ instruction, options }: Doing): string {
  const own = instruction.flags.get("network")?.at(-1);
  if (own === undefined || own === "default") return options.network;
  if (own === "none" || own === options.network) return own;
  const why = `--network=${own} is not allowed: build --network ${own} allows it`;
  throw badLine(instruction.line, why);
}

/** The words of COPY: sources, and the destination last. */
function wordsOf({ instruction }: Doing, variables: Variables): string[] {
  const { json, text, line, name } = instruction;
  const all =
    json?.map((word) => expand(word, variables)) ??
    expandWords(text.replace(/(^|\s)<<\s+/g, "$1<<"), variables);
  const words = all.filter((word) => json !== undefined || !/^<<-?/.test(word));
  if (words.length === 0 || (words.length < 2 && instruction.heredocs.length === 0)) {
    throw badLine(line, `${name} takes sources and a destination`);
  }
  return words;
}

async function copy(given: Doing): Promise<StageState> {
  const { sources, stage, builder } = given;
  const { name, line } = given.instruction;
  const variables = variablesOf(given);
  const flags = new Map(
    [...given.instruction.flags].map(([flag, values]) => {
      return [flag, values.map((value) => expand(value, variables))] as const;
    }),
  );
  const doing = { ...given, instruction: { ...given.instruction, flags } };
  const from = flags.get("from")?.at(-1);
  if (from === undefined) return copyFrom(doing, sources.context);
  if (name === "ADD") throw badLine(line, "ADD --from is not supported");
  const { draft } = await sources.draftNamed(from, stage.index);
  using tree = await readOnlyTree(builder, draft);
  const isIgnored = () => false;
  return await copyFrom(doing, { ...tree, isIgnored, leavesOut: false, keepsOwners: true });
}

async function copyFrom(doing: Doing, source: Source): Promise<StageState> {
  const { builder, options, state, instruction, progress } = doing;
  const variables = variablesOf(doing);
  const words = wordsOf(doing, variables);
  const given = words.at(-1)!;
  const place = path.posix.resolve(state.draft.defaults.WorkingDir || "/", given);
  const isFolder = /\/$|(^|\/)\.$/.test(given);
  const destination = isFolder && place !== "/" ? `${place}/` : place;
  const isUrl = (word: string) => /^(https?|ftp|git):\/\/|^git@/.test(word);
  const urls = words.slice(0, -1).filter((word) => instruction.name === "ADD" && isUrl(word));
  const patterns = words.slice(0, -1).filter((word) => !urls.includes(word));
  const places = patterns.flatMap((pattern) => placesOf(source, pattern));
  await using folder = await mkdtempDisposable(path.join(builder.work, "add-"));
  const made: MadeFile[] = [];
  const heredocs = instruction.heredocs.map(({ name, content, isExpanded }, at) => {
    const text = isExpanded ? expandDocument(content, variables) : content;
    made.push({ name, file: path.join(folder.path, `here-${at}`), mode: 0o644 });
    writeFileSync(made[at]!.file, text);
    return [name, text];
  });
  for (const [name, file] of await download(doing, urls, folder.path)) {
    made.push({ name, file, mode: 0o600 });
  }
  const content = await hashOf(source, places);
  const flags = [...instruction.flags].filter(([flag]) => flag !== "from");
  const names = places.map((each) => path.posix.basename(each));
  const key = keyOf(
    ...[state.key, instruction.name, destination, flags, names, content, heredocs, urls],
    options.epoch_ms,
  );
  const now_ms = options.epoch_ms ?? builder.host.clock.now();
  const unpacks = instruction.name === "ADD";
  return await layerStep(builder, options, state, {
    key,
    progress,
    history: `${instruction.name} ${instruction.text}`,
    make: (rootfs) =>
      copyInto(
        rootfs,
        { instruction, source, places, files: made, destination, unpacks },
        now_ms,
        builder,
      ),
  });
}

/** Variables of a here-document; quotes are text in it. */
function expandDocument(content: string, variables: Variables): string {
  const quoted = content.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\\\\$", "\\$");
  return expand(`"${quoted}"`, variables);
}
