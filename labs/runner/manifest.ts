import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { LabError } from "./lab-error.ts";
import { LABS_DIR } from "./paths.ts";

/**
 * A plausible wrong answer: `find` in the reference becomes `replace`; `caughtBy` must then fail.
 */
export interface Mutant {
  readonly name: string;
  readonly file: string;
  readonly find: string;
  readonly replace: string;
  /** Part of the title of a check that catches it. */
  readonly caughtBy: string;
  /** Part of the title of a scenario that shows what goes wrong, where safety depends on it. */
  readonly shownBy?: string;
}

/**
 * Help with one body, in grades: each leaves less to the reader than the one before. The grade
 * between direction and shape, the parts, is read from the reference.
 */
export interface Hint {
  /** The body: `encodeRecord`. */
  readonly for: string;
  /** A question to ask oneself. */
  readonly question: string;
  /** Where to go. */
  readonly direction: string;
  /** The outline of the code, without its decisions. */
  readonly shape: string;
  /** Parts of titles of checks whose failure is, most often, a mistake in this body. */
  readonly judgedBy?: readonly string[];
}

/** The paths in the order in which the first page shows them. */
export const PATH_NAMES = ["cluster", "store", "small"] as const;
export type PathName = (typeof PATH_NAMES)[number];

/** One lab, as its `lab.yaml` describes it. */
export interface Lab {
  readonly number: string;
  /** The folder's name: `02-write-ahead-log`. */
  readonly folder: string;
  readonly title: string;
  /** The path that it is on, and its place there. */
  readonly path: PathName;
  readonly place: number;
  /** Another path whose last page it is, too. */
  readonly alsoOn?: PathName;
  /** How long a reader takes, who has not seen the reference. */
  readonly minutes: number;
  /** Whether the checks need root for all that they judge, or the page does. */
  readonly root: boolean;
  /** The labs whose concepts it takes for granted. */
  readonly after: readonly string[];
  /** A sentence that follows "afterwards you can". */
  readonly afterwards: string;
  /** The part of the cluster that the reader writes; absent without an exercise. */
  readonly part?: string;
  /** Files that `lab start` copies into the reader's folder. */
  readonly given?: readonly string[];
  /** The file of its steps, judged on a running cluster, in place of an exercise. */
  readonly walk?: string;
  /** Whether the steps ask a running cluster; they do by default. */
  readonly cluster?: boolean;
  /** Sources that have regions tagged with the lab's number, relative to the root. */
  readonly files: readonly string[];
  /** Test files that judge the exercise, relative to the lab's folder. */
  readonly checks: readonly string[];
  /**
   * The product's contract suites for this part, the name of its implementation in them, and the
   * number of a mutant that they detect on every run.
   */
  readonly contract?: {
    readonly files: readonly string[];
    readonly only: string;
    readonly detects: number;
  };
  /**
   * The checks make namespaces and mounts: they run as root, or as root of a user namespace. With
   * `processes` they also leave processes behind, which end with them.
   */
  readonly namespaces?: boolean | "processes";
  /**
   * How many checks of a process run concurrently. More than one where each check has a machine of
   * its own and waits for programs. Where it is given, files share a process for each processor:
   * for sources that take longer to load than most checks.
   */
  readonly atOnce?: number;
  /** The program, in the lab's folder, that runs a command where the part is at work. */
  readonly show?: string;
  readonly hints: readonly Hint[];
  readonly mutants: readonly Mutant[];
  /** Content of the replay page; absent where nothing can be recorded. */
  readonly replay?: {
    /** Files that register scenarios or recordables, relative to the lab's folder. */
    readonly files: readonly string[];
    /** Titles of the scenarios that are shown, each with what to look for; all without. */
    readonly cases?: Readonly<Record<string, string>>;
  };
}

/** Returns all labs by number. Throws if a manifest has no title. */
export const readLabs = (): Lab[] => folders().map(readLab);

/** The labs' folders by number. */
function folders(): string[] {
  return readdirSync(LABS_DIR)
    .filter((name) => /^\d\d[a-z]?-/.test(name))
    .sort();
}

/** Manifests that this process has read, by folder: to parse all of them takes 0.1 s. */
const known = new Map<string, Lab>();

function readLab(folder: string): Lab {
  const lab = known.get(folder) ?? parseLab(folder);
  known.set(folder, lab);
  return lab;
}

/** The long sections of a manifest, each read when it is asked for: to parse them takes longest. */
const LATE = /^(?=hints:|mutants:)/m;

function parseLab(folder: string): Lab {
  const path = join(LABS_DIR, folder, "lab.yaml");
  const [head = "", ...late] = readFileSync(path, "utf8").split(LATE);
  const manifest = parse(head) as Partial<Lab>;
  const { title, minutes, afterwards, place, path: onPath } = manifest;
  if (!title || !minutes || !afterwards || place === undefined || !isPath(onPath)) {
    throw new LabError("BAD_LAB", `${path} lacks title, path, place, minutes or afterwards`);
  }
  const { root = false, after = [], files = [], checks = [], ...given } = manifest;
  const number = numberOf(folder);
  const known = { title, minutes, afterwards, place, path: onPath, root, after, files, checks };
  const section = <T>(name: "hints" | "mutants"): readonly T[] => {
    const text = late.find((each) => each.startsWith(name));
    return text === undefined ? [] : (parse(text) as Record<string, T[]>)[name]!;
  };
  let hints: readonly Hint[] | undefined;
  let mutants: readonly Mutant[] | undefined;
  return {
    number,
    folder,
    ...given,
    ...known,
    get hints() {
      return (hints ??= section<Hint>("hints"));
    },
    get mutants() {
      return (mutants ??= section<Mutant>("mutants"));
    },
  };
}

function isPath(name: string | undefined): name is PathName {
  return PATH_NAMES.some((each) => each === name);
}

/** Returns the lab's text, in the language of LANG if there is a translation (`README.de.md`). */
export function readmeOf({ folder }: Lab, environment: NodeJS.ProcessEnv = process.env): string {
  const language = /^[a-z]+/.exec(environment["LANG"] ?? "")?.[0] ?? "";
  const translation = `README.${language}.md`;
  return existsSync(join(LABS_DIR, folder, translation)) ? translation : "README.md";
}

/** Returns the lab with this number: `2`, `02`, `7a`. Reads no other lab's manifest. */
export function findLab(wanted: string): Lab {
  const all = folders();
  const found = all.find((folder) => numberOf(folder) === twoDigits(wanted));
  if (found !== undefined) return readLab(found);
  const number = twoDigits(wanted);
  const parts = all.map(numberOf).filter((each) => each.startsWith(number));
  const moved = `one of its parts, ${parts.join(", ")}; what is in my/${number} moves into theirs`;
  throw new LabError("NO_LAB", `there is no lab ${wanted}`, {
    remedy: parts.length > 0 ? moved : `one of ${all.map(numberOf).join(", ")}`,
  });
}

const numberOf = (folder: string): string => folder.slice(0, folder.indexOf("-"));

/** A lab's number with two digits: `07a` for `7a`. */
export function twoDigits(number: string): string {
  return /^\d(?!\d)/.test(number) ? `0${number}` : number;
}
