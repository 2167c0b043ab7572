/** The Kubernetes API level served here: kinds, fields and behaviour are this version's. */
export const API_LEVEL = "1.36.0";

/**
 * The answer of `/version` (version.Info). The build's own marks follow the level, as SemVer
 * allows.
 */
export function versionInfo() {
  const [major = "", minor = ""] = API_LEVEL.split(".");
  return {
    major,
    minor,
    emulationMajor: major,
    emulationMinor: minor,
    minCompatibilityMajor: major,
    minCompatibilityMinor: String(Number(minor) - 1),
    gitVersion: `v${API_LEVEL}+r2k`,
    gitCommit: "",
    gitTreeState: "clean",
    buildDate: "1970-01-01T00:00:00Z",
    goVersion: `node-${process.versions.node}`,
    compiler: "node",
    platform: `linux/${process.arch === "x64" ? "amd64" : process.arch}`,
  };
}
