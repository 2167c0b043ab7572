import { execFileSync } from "node:child_process";
import { join } from "node:path";

/** The client whose informers and election our apiserver is judged by. */
const CLIENT = "kubernetes==37.0.2";

/** gRPC for the Python device plugin of lab 18. */
const GRPC = "grpcio-tools==1.76.0";

/** Installs Python's own client of the API, or gRPC, into an environment beside the peers. */
export function installPython(bin: string, packages: "client" | "grpc"): void {
  const home = join(bin, "../python");
  execFileSync("python3", ["-m", "venv", home], { stdio: "inherit" });
  const words = ["install", "--quiet", packages === "client" ? CLIENT : GRPC];
  execFileSync(join(home, "bin/pip"), words, { stdio: "inherit" });
}
