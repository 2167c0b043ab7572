import { type FieldError, invalid } from "@raft2kube/api/errors.ts";

/** The levels of the Pod Security Standards, loosest first. */
export const LEVELS = ["privileged", "baseline", "restricted"] as const;

export type Level = (typeof LEVELS)[number];

/** A level as some version of Kubernetes meant it; `latest` or `v1.N`. */
export interface LevelVersion {
  level: Level;
  version: string;
}

/** What a namespace asks for (labels `pod-security.kubernetes.io/...`). */
export interface Policy {
  enforce: LevelVersion;
  audit: LevelVersion;
  warn: LevelVersion;
}

const PREFIX = "pod-security.kubernetes.io/";
const LATEST = "latest";

/** `restricted:latest`. */
export function textOf({ level, version }: LevelVersion): string {
  return `${level}:${version}`;
}

export function strictness(level: Level): number {
  return LEVELS.indexOf(level);
}

/**
 * The policy in a namespace's labels, and what is wrong with them. A label that cannot be read
 * means the strictest for enforcing, and the loosest for the rest (upstream).
 */
export function policyOf(labels: Readonly<Record<string, string>> | undefined): {
  policy: Policy;
  errors: FieldError[];
} {
  const reader = new LabelReader(labels ?? {});
  const enforce = reader.read("enforce", "restricted");
  const audit = reader.read("audit", "privileged");
  const warn = reader.read("warn", "privileged");
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

class LabelReader {
  readonly errors: FieldError[] = [];
  readonly #labels: Readonly<Record<string, string>>;

  constructor(labels: Readonly<Record<string, string>>) {
    this.#labels = labels;
  }

  read(mode: string, fallback: Level): Mode {
    const level = this.#labels[PREFIX + mode];
    const version = this.#labels[`${PREFIX}${mode}-version`];
    const known = LEVELS.find((each) => each === level);
    if (level !== undefined && known === undefined) {
      this.#refuse(mode, level, `must be one of ${LEVELS.join(", ")}`);
    }
    const readable = version === undefined || isVersion(version);
    if (!readable) this.#refuse(`${mode}-version`, version, `must be "latest" or "v1.x"`);
    const value = {
      level: known ?? (level === undefined ? "privileged" : fallback),
      version: readable && version !== undefined ? version : LATEST,
    };
    const hasLevel = level !== undefined;
    return { value, hasLevel, hasVersion: version !== undefined, sound: known !== undefined };
  }

  #refuse(label: string, value: string, why: string): void {
    this.errors.push(invalid(`metadata.labels[${PREFIX}${label}]`, value, why));
  }
}

function isVersion(text: string): boolean {
  return text === LATEST || /^v1\.(?:0|[1-9]\d*)$/.test(text);
}

/** The minor version by whose rules a pod is judged; none is newer than `newest`. */
export function minorOf(version: string, newest: number): number {
  return version === LATEST ? newest : Math.min(newest, Number(version.slice("v1.".length)));
}
