import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { buildPlugins } from "@raft2kube/cni/build.ts";
import { writePage } from "@raft2kube/dashboard/build.ts";
import { bundle, EXTERNAL, ROOT } from "./bundle.ts";
import { entryPoints } from "./entries.ts";
import { LIBRARIES, packageExports, writeTypes } from "./libraries.ts";
import { writeNotices } from "./notices.ts";

/** Files of the product that the bundle reads when it runs. */
const ASSETS = [
  "api/facts",
  "openapi/texts",
  "apiserver/authz/rbac/policy.yaml",
  "cli/addons",
  "cli/machine/addons",
  "cli/machine/static-pods",
  "cli/machine/texts",
  "cli/help.txt",
  "cli/supervisor",
  "examples",
  "README.md",
  "LICENSE",
];

/** Licences of the packages that are in the bundles. */
const NOTICES = "THIRD_PARTY_NOTICES";

/** Where bundles lie in the package. */
const BUNDLES = ".cache/bundle";

interface PackageFile {
  readonly version: string;
  readonly dependencies: Readonly<Record<string, string>>;
}

/** Packages that the bundle loads from node_modules: the pinned Node, and what has native code. */
const INSTALLED = ["node", ...EXTERNAL];

/** Makes `dist/package`: what `npm install` of the tarball brings, bundles instead of sources. */
export async function buildPackage(): Promise<string> {
  const dir = join(ROOT, "dist/package");
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir, { recursive: true });
  const entries = { ...entryPoints(), ...LIBRARIES };
  await bundle({ outDir: `dist/package/${BUNDLES}`, entries });
  writeTypes(join(dir, "types"));
  await buildPlugins(join(dir, ".cache/cni"));
  await writePage(join(dir, ".cache/dashboard"));
  for (const asset of ASSETS) cpSync(join(ROOT, asset), join(dir, asset), { recursive: true });
  cpSync(join(ROOT, "scripts/build/launcher.mjs"), join(dir, "r2k.mjs"));
  writeNotices(join(dir, NOTICES));
  const product = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as PackageFile;
  const dependencies = Object.fromEntries(
    Object.entries(product.dependencies).filter(([name]) => INSTALLED.includes(name)),
  );
  const manifest = {
    name: "raft2kube",
    version: product.version,
    description: "A Kubernetes in TypeScript that can be read, taken apart and put together again.",
    license: "Apache-2.0",
    type: "module",
    bin: { r2k: "r2k.mjs" },
    exports: packageExports(BUNDLES),
    files: [".cache", "types", ...ASSETS, NOTICES, "r2k.mjs"],
    dependencies,
  };
  writeFileSync(join(dir, "package.json"), `${JSON.stringify(manifest, undefined, 2)}\n`);
  return dir;
}
