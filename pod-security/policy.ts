import { type FieldError, invalid } from "@raft2kube/api/errors.ts";

/** The levels of the Pod Security Standards, loosest first. */
export const LEVELS = ["privileged", "baseline", "restricted"] as const;

export type Level = (typeof LEVELS)[number];

/** A level as some version of Kubernetes meant it; `latest` or `v1.N`. */
export type LevelVersion = { level: Level; version: string };

const MODES = ["enforce", "audit", "warn"] as const;

/** A namespace's levels (labels `pod-security.kubernetes.io/...`). */
export type Policy = { enforce: LevelVersion; audit: LevelVersion; warn: LevelVersion };

const PREFIX = "pod-security.kubernetes.io/";
export const LATEST = "latest";

/** `restricted:latest`. */
export const textOf = ({ level, version }: LevelVersion): string => `${level}:${version}`;

export const strictness = (level: Level): number => LEVELS.indexOf(level);

/** Labels of a namespace. */
type Labels = Readonly<Record<string, string>> | undefined;

/**
 * The policy in a namespace's labels, and their errors. Missing labels are taken from `defaults`; a
 * label that cannot be read means the strictest for enforcing, the loosest for the rest (upstream).
 */
export function policyOf(
  labels: Labels,
  defaults: Policy,
): { policy: Policy; errors: FieldError[] } {
  const reader = new LabelReader(labels ?? {});
  const enforce = reader.read("enforce", "restricted", defaults.enforce);
  const audit = reader.read("audit", "privileged", defaults.audit);
  const warn = reader.read("warn", "privileged", defaults.warn);
  const policy = { enforce: enforce.value, audit: audit.value, warn: warn.value };
  const stricter = strictness(policy.enforce.level) > strictness(policy.warn.level);
  if (!warn.hasLevel && enforce.hasLevel && enforce.sound && stricter) {
    const version = warn.hasVersion ? policy.warn.version : policy.enforce.version;
    policy.warn = { level: policy.enforce.level, version };
  }
  return { policy, errors: reader.errors };
}

interface Mode {
  value: LevelVersion;
  hasLevel: boolean;
  hasVersion: boolean;
  /** The level, if there is one, is known. */
  sound: boolean;
}

/** Whether two policies are the same: of privileged levels the version does not matter. */
function isSame(a: Policy, b: Policy): boolean {
  return MODES.every((mode) => {
    const free = a[mode].level === "privileged" && b[mode].level === "privileged";
    return free || textOf(a[mode]) === textOf(b[mode]);
  });
}

/**
 * The warning about labels that mean nothing, because their namespace is exempt; undefined when
 * they ask for nothing.
 */
export function ignoredPolicy(
  namespace: string,
  labels: Labels,
  policy: Policy,
  defaults: Policy,
): string | undefined {
  const asked = MODES.filter((mode) => policy[mode].level !== "privileged");
  if (asked.length === 0 || isSame(policy, defaults)) return undefined;
  const said = asked.filter((mode) => {
    return [mode, `${mode}-version`].some((label) => labels?.[PREFIX + label] !== undefined);
  });
  const shown = said.map((mode) => `${mode}=${textOf(policy[mode])}`).join(", ");
  const what = `and the policy (${shown}) will be ignored`;
  return `namespace "${namespace}" is exempt from Pod Security, ${what}`;
}

class LabelReader {
  readonly errors: FieldError[] = [];
  readonly #labels: Readonly<Record<string, string>>;

  constructor(labels: Readonly<Record<string, string>>) {
    this.#labels = labels;
  }

  read(mode: string, fallback: Level, absent: LevelVersion): Mode {
    const level = this.#labels[PREFIX + mode];
    const version = this.#labels[`${PREFIX}${mode}-version`];
    const known = LEVELS.find((each) => each === level);
    if (level !== undefined && known === undefined) {
      this.#refuse(mode, level, `must be one of ${LEVELS.join(", ")}`);
    }
    const readable = version === undefined || isVersion(version);
    if (!readable) this.#refuse(`${mode}-version`, version, `must be "latest" or "v1.x"`);
    const value = {
      level: known ?? (level === undefined ? absent.level : fallback),
      version: readable ? (version ?? absent.version) : LATEST,
    };
    const hasLevel = level !== undefined;
    return { value, hasLevel, hasVersion: version !== undefined, sound: known !== undefined };
  }

  #refuse(label: string, value: string, why: string): void {
    this.errors.push(invalid(`metadata.labels[${PREFIX}${label}]`, value, why));
  }
}

export function isVersion(text: string): boolean {
  return text === LATEST || /^v1\.(?:0|[1-9]\d*)$/.test(text);
}

/** The minor version by whose rules a pod is judged; none is newer than `newest`. */
export function minorOf(version: string, newest: number): number {
  return version === LATEST ? newest : Math.min(newest, Number(version.slice("v1.".length)));
}
