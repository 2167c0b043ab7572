import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import { hostPlatform } from "@raft2kube/runtime/image/manifest.ts";
import { expand, expandWords } from "./expand.ts";
import { badLine, type Instruction } from "./parse.ts";

/** A part of a Dockerfile from FROM to the next. */
export interface Stage {
  index: number;
  name: string | undefined;
  /** The image, or the stage that it stands on. */
  base: string | { stage: number };
  from: Instruction;
  instructions: readonly Instruction[];
}

export interface Plan {
  stages: readonly Stage[];
  /** The stage whose image is wanted. */
  target: number;
  /** Arguments before the first FROM, with the values of the command line. */
  globals: ReadonlyMap<string, string>;
}

/** Arguments of the command line. */
export type BuildArguments = Readonly<Record<string, string>>;

const PROXIES = "http_proxy https_proxy ftp_proxy no_proxy all_proxy";
/** Names of arguments that are there without ARG (Dockerfile reference, predefined). */
export const PROXY_ARGUMENTS = new Set(`${PROXIES} ${PROXIES.toUpperCase()}`.split(" "));

const { architecture } = hostPlatform();
const PLATFORM = `linux/${architecture}`;
const PLATFORM_ARGUMENTS = ["TARGET", "BUILD"].flatMap((side): [string, string][] => [
  [`${side}PLATFORM`, PLATFORM],
  [`${side}OS`, "linux"],
  [`${side}ARCH`, architecture],
  [`${side}VARIANT`, ""],
]);

/** The stage of a name or number among those before `limit`. */
export function findStage(
  stages: readonly Stage[],
  wanted: string,
  limit: number,
): number | undefined {
  const name = wanted.toLowerCase();
  const byName = stages.slice(0, limit).findLast((stage) => stage.name === name);
  if (byName) return byName.index;
  return /^\d+$/.test(wanted) && Number(wanted) < limit ? Number(wanted) : undefined;
}

/** Divides a Dockerfile into stages, and finds the one that is wanted. */
export function planStages(
  instructions: readonly Instruction[],
  { target, buildArgs }: { target?: string | undefined; buildArgs: BuildArguments },
): Plan {
  const globals = new Map(PLATFORM_ARGUMENTS);
  const stages: (Stage & { instructions: Instruction[] })[] = [];
  for (const instruction of instructions) {
    const { name, text, flags, line } = instruction;
    const current = stages.at(-1);
    if (name === "FROM") {
      const platform = expand(flags.get("platform")?.at(-1) ?? PLATFORM, globals);
      if (platform !== PLATFORM && platform !== "linux") {
        throw badLine(line, `--platform=${platform}: only this machine's, ${PLATFORM}, is built`);
      }
      const [, image = "", as] = /^(\S+)(?:\s+as\s+(\S+))?$/i.exec(text) ?? [];
      if (image === "") throw badLine(line, "FROM takes IMAGE [AS NAME]");
      if (as !== undefined && !/^[a-z][a-z0-9-_.]*$/i.test(as)) {
        throw badLine(line, `${JSON.stringify(as)} is no name of a stage`);
      }
      const wanted = expand(image, globals);
      if (wanted === "") throw badLine(line, `FROM ${image}: no image: is an ARG not set?`);
      const named = stages.findLast((stage) => stage.name === wanted.toLowerCase());
      const base = named ? { stage: named.index } : wanted;
      const index = stages.length;
      stages.push({ index, name: as?.toLowerCase(), base, from: instruction, instructions: [] });
    } else if (current) current.instructions.push(instruction);
    else if (name === "ARG") {
      for (const [key, value] of argumentsOf(instruction, globals, buildArgs)) {
        if (value !== undefined) globals.set(key, value);
      }
    } else throw badLine(line, `${name} comes before the first FROM`);
  }
  if (stages.length === 0) throw new RuntimeError("invalid-argument", "the Dockerfile has no FROM");
  const found = target === undefined ? stages.length - 1 : findStage(stages, target, stages.length);
  if (found === undefined)
    throw new RuntimeError("not-found", `--target: there is no stage ${target}`);
  return { stages, target: found, globals };
}

/** The names and values of an ARG: the command line's value before the default. */
export function argumentsOf(
  { text, line }: Instruction,
  variables: ReadonlyMap<string, string>,
  buildArgs: BuildArguments,
): [name: string, value: string | undefined][] {
  return expandWords(text, variables).map((word) => {
    const [, name = "", value] = /^([^=]+)(?:=(.*))?$/s.exec(word) ?? [];
    if (name === "") throw badLine(line, "ARG takes NAME or NAME=VALUE");
    return [name, Object.hasOwn(buildArgs, name) ? buildArgs[name] : value];
  });
}
