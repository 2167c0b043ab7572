import { execFileSync } from "node:child_process";
import { rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";

/** The client whose informers and election our apiserver is judged by. */
const CLIENT = "kubernetes==37.0.2";

/** An operator in Python, which `.peers/bin/dask-kubernetes` runs by its framework's command. */
const OPERATOR = "dask-kubernetes==2026.3.0";

/** gRPC for the Python device plugin of lab 18. */
const GRPC = "grpcio-tools==1.76.0";

/** Installs Python's own client of the API, or gRPC, into an environment beside the peers. */
export function installPython(bin: string, packages: "client" | "grpc"): void {
  install(join(bin, "../python"), packages === "client" ? CLIENT : GRPC);
}

/** Installs the Dask operator into an environment of its own: it pins what it needs. */
export function installOperator(bin: string): void {
  const home = join(bin, "../dask-kubernetes");
  install(home, OPERATOR);
  const command = join(bin, "dask-kubernetes");
  rmSync(command, { force: true });
  symlinkSync(join(home, "bin/kopf"), command);
}

function install(home: string, what: string): void {
  execFileSync("python3", ["-m", "venv", home], { stdio: "inherit" });
  execFileSync(join(home, "bin/pip"), ["install", "--quiet", what], { stdio: "inherit" });
}
