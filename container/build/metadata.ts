import path from "node:path";
import { signalNumber } from "@raft2kube/runtime/container/signals.ts";
import type { HealthCheck, ImageDefaults } from "@raft2kube/runtime/image/config.ts";
import { healthTimeOf, integer, read } from "../run/values.ts";
import { expand, expandPairs, expandWords, type Variables } from "./expand.ts";
import { badLine, type Instruction, parseDockerfile, parseInstruction } from "./parse.ts";

export const DEFAULT_SHELL = ["/bin/sh", "-c"];
/** The command of an instruction in either form; the shell form is run by the image's shell. */
export function commandOf({ json, text }: Instruction, defaults: ImageDefaults): string[] {
  return json ?? [...(defaults.Shell ?? DEFAULT_SHELL), text];
}

/** The environment as variables; a name alone has no text. */
export function environmentOf({ Env = [] }: ImageDefaults): Map<string, string> {
  return new Map(Env.map((pair) => /^([^=]*)=?(.*)$/s.exec(pair)!.slice(1) as [string, string]));
}

function setEnv(defaults: ImageDefaults, pairs: readonly [string, string][]): ImageDefaults {
  const all = environmentOf(defaults);
  for (const [name, value] of pairs) all.set(name, value);
  return { ...defaults, Env: [...all].map(([name, value]) => `${name}=${value}`) };
}

const HEALTH_FLAGS: Readonly<Record<string, [keyof HealthCheck, (text: string) => number]>> = {
  interval: ["Interval", healthTimeOf],
  timeout: ["Timeout", healthTimeOf],
  "start-period": ["StartPeriod", healthTimeOf],
  "start-interval": ["StartInterval", healthTimeOf],
  retries: ["Retries", integer(1)],
};

function healthOf(instruction: Instruction): HealthCheck {
  const { text, flags, line } = instruction;
  const [word = ""] = text.split(/\s/, 1);
  if (word.toUpperCase() === "NONE") return { Test: ["NONE"] };
  if (word.toUpperCase() !== "CMD") throw badLine(line, "HEALTHCHECK is followed by CMD or NONE");
  const { json, text: command } = parseInstruction(text, line);
  const settings = [...flags].map(([flag, values]) => {
    const [field, valueOf] = HEALTH_FLAGS[flag]!;
    return [field, read(`--${flag}`, values.at(-1)!, valueOf)];
  });
  const Test = json ? ["CMD", ...json] : ["CMD-SHELL", command];
  return { Test, ...Object.fromEntries(settings) };
}

function portOf(word: string, line: number): string {
  if (/^\d{1,5}(-\d{1,5})?(\/(tcp|udp|sctp))?$/i.test(word)) {
    return word.includes("/") ? word.toLowerCase() : `${word}/tcp`;
  }
  throw badLine(line, `${JSON.stringify(word)} is no port`);
}

const keys = (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, {}]));

/**
 * The settings of an image after an instruction that changes no file; undefined for one that may.
 * `variables` are those that are expanded in it.
 */
export function changeDefaults(
  defaults: ImageDefaults,
  instruction: Instruction,
  variables: Variables = environmentOf(defaults),
): ImageDefaults | undefined {
  const { name, text, json, line } = instruction;
  const words = () => json ?? expandWords(text, variables);
  switch (name) {
    case "ENV":
      return setEnv(defaults, expandPairs(text, variables));
    case "LABEL": {
      const Labels = { ...defaults.Labels, ...Object.fromEntries(expandPairs(text, variables)) };
      return { ...defaults, Labels };
    }
    case "MAINTAINER":
      return defaults;
    case "CMD":
      return { ...defaults, Cmd: commandOf(instruction, defaults) };
    case "ENTRYPOINT": {
      const { Cmd: _, ...rest } = defaults;
      return { ...rest, Entrypoint: commandOf(instruction, defaults) };
    }
    case "EXPOSE": {
      // The value of a variable may name several.
      const ports = words().flatMap((word) => word.split(/\s+/).map((each) => portOf(each, line)));
      return { ...defaults, ExposedPorts: { ...defaults.ExposedPorts, ...keys(ports) } };
    }
    case "VOLUME":
      return { ...defaults, Volumes: { ...defaults.Volumes, ...keys(words()) } };
    case "USER":
      return { ...defaults, User: expand(text, variables) };
    case "WORKDIR": {
      const given = expand(text, variables);
      return { ...defaults, WorkingDir: path.posix.resolve(defaults.WorkingDir || "/", given) };
    }
    case "STOPSIGNAL": {
      const StopSignal = expand(text, variables);
      signalNumber(StopSignal);
      return { ...defaults, StopSignal };
    }
    case "SHELL":
      if (json === undefined) throw badLine(line, "SHELL takes a JSON list");
      return { ...defaults, Shell: json };
    case "HEALTHCHECK":
      return { ...defaults, Healthcheck: healthOf(instruction) };
    case "ONBUILD": {
      const [word = ""] = text.toUpperCase().split(/\s/, 1);
      if (["ONBUILD", "FROM", "MAINTAINER"].includes(word)) {
        throw badLine(line, `ONBUILD ${word} is not allowed`);
      }
      const documents = instruction.heredocs.map(({ name, content }) => `\n${content}${name}`);
      const whole = text + documents.join("");
      parseInstruction(whole, line);
      return { ...defaults, OnBuild: [...(defaults.OnBuild ?? []), whole] };
    }
    default:
      return undefined;
  }
}

/** The settings of an image after the instructions of `--change`. */
export function changedBy(change: readonly string[], defaults: ImageDefaults): ImageDefaults {
  return parseDockerfile(change.join("\n")).reduce((before, instruction) => {
    const changed = changeDefaults(before, instruction);
    if (changed !== undefined) return changed;
    throw badLine(instruction.line, `-c ${instruction.name} changes no setting`);
  }, defaults);
}
