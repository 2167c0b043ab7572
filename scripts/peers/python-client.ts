import { execFileSync } from "node:child_process";
import { join } from "node:path";

/** The version whose informers and election our apiserver is judged by. */
const VERSION = "37.0.2";

/** Installs Python's own client of the API into an environment beside the other peers. */
export function installPythonClient(bin: string): void {
  const home = join(bin, "../python");
  execFileSync("python3", ["-m", "venv", home], { stdio: "inherit" });
  const words = ["install", "--quiet", `kubernetes==${VERSION}`];
  execFileSync(join(home, "bin/pip"), words, { stdio: "inherit" });
}
