import { platformOf } from "./platform.ts";

/** The fields of an entry of `package-lock.json` that this script uses, lockfileVersion 3. */
export interface LockEntry {
  readonly version?: string;
  readonly dev?: boolean;
  readonly optional?: boolean;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly [field: string]: unknown;
}

export type LockEntries = Readonly<Record<string, LockEntry>>;

const FOLDER = "node_modules/";

/**
 * The entries that `npm ci` wants and `npm install` left out: optional packages for other
 * platforms that the registry in use did not have. Without them `npm ci` calls the lock file out
 * of date, on every machine.
 */
export function missingEntries(entries: LockEntries): LockEntries {
  const missing: Record<string, LockEntry> = {};
  for (const [path, entry] of Object.entries(entries)) {
    for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
      if (!path.startsWith(FOLDER) || resolves(entries, path, name, version)) continue;
      missing[`${path.slice(0, path.lastIndexOf(FOLDER))}${FOLDER}${name}`] = {
        version,
        ...platformOf(name),
        ...(entry.dev === true && { dev: true }),
        optional: true,
      };
    }
  }
  return missing;
}

/** Node's own search: from the package's folder outwards, the first of that name. */
function resolves(entries: LockEntries, path: string, name: string, version: string): boolean {
  let folder = path;
  for (;;) {
    const found = entries[`${folder === "" ? "" : `${folder}/`}${FOLDER}${name}`];
    if (found !== undefined) return !exact(version) || found.version === version;
    const outer = folder.lastIndexOf(FOLDER);
    if (outer < 0) return false;
    folder = folder.slice(0, outer).replace(/\/$/, "");
  }
}

const exact = (version: string): boolean => /^\d+\.\d+\.\d+/.test(version);
