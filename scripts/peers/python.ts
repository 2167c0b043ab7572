import { execFileSync } from "node:child_process";
import { rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";

/** The client whose informers and election our apiserver is judged by. */
const CLIENT = "kubernetes==37.0.2";

/** An operator in Python, which `.peers/bin/dask-kubernetes` runs by its framework's command. */
const OPERATOR = "dask-kubernetes==2026.3.0";

/** Ansible, with the last client before Kubernetes' 37, which refuses what `k8s_cp` calls it with. */
const ANSIBLE = ["ansible-core==2.19.14", "kubernetes==36.0.3", "jsonpatch==1.33"];

/** The package of all of Ansible's collections; of its 50 MB `kubernetes.core` is brought. */
const COLLECTIONS = "ansible==12.3.0";

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
  link(join(home, "bin/kopf"), join(bin, "dask-kubernetes"));
}

const UNPACK = `import glob, sysconfig, zipfile
package = zipfile.ZipFile(glob.glob("ansible-*.whl")[0])
names = [n for n in package.namelist() if n.startswith("ansible_collections/kubernetes/core/")]
package.extractall(sysconfig.get_path("purelib"), names)`;

/** Installs Ansible with its collection for Kubernetes into an environment of its own. */
export function installAnsible(bin: string): void {
  const home = join(bin, "../ansible");
  install(home, ...ANSIBLE);
  const at = { cwd: home, stdio: "inherit" } as const;
  execFileSync(join(home, "bin/pip"), ["download", "--quiet", "--no-deps", COLLECTIONS], at);
  execFileSync(join(home, "bin/python"), ["-c", UNPACK], at);
  link(join(home, "bin/ansible-playbook"), join(bin, "ansible-playbook"));
}

function link(program: string, command: string): void {
  rmSync(command, { force: true });
  symlinkSync(program, command);
}

function install(home: string, ...what: string[]): void {
  execFileSync("python3", ["-m", "venv", home], { stdio: "inherit" });
  execFileSync(join(home, "bin/pip"), ["install", "--quiet", ...what], { stdio: "inherit" });
}
