/**
 * Reads the facts of the Kubernetes API from upstream's Go modules into `api/facts/`.
 * Use: `node scripts/facts.ts` (needs Go and its module proxy, or a filled module cache).
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type GoPackage, packageFacts } from "./facts/convert.ts";
import { factsText, resourcesText } from "./facts/format.ts";
import { KUBERNETES_VERSION, PACKAGES, versionOf } from "./facts/packages.ts";
import {
  discoveryFile,
  OTHER_RESOURCES,
  type ResourceList,
  resourceFacts,
} from "./facts/resources.ts";

const FACTS_DIR = join(import.meta.dirname, "../api/facts");
const READER = join(import.meta.dirname, "facts/read-types.go");
const OUTPUT_LIMIT_BYTES = 64 * 1024 * 1024;

/** The directory of a module in Go's module cache, downloaded when absent. */
function moduleDirectory(module: string, version: string, workspace: string): string {
  const output = execFileSync("go", ["mod", "download", "-json", `${module}@${version}`], {
    cwd: workspace,
    encoding: "utf8",
    maxBuffer: OUTPUT_LIMIT_BYTES,
  });
  const answer = JSON.parse(output) as { Dir?: string; Error?: string };
  if (answer.Dir === undefined) throw new Error(`go cannot give ${module}: ${answer.Error}`);
  return answer.Dir;
}

function main(): void {
  const workspace = mkdtempSync(join(tmpdir(), "r2k-facts-"));
  try {
    writeFileSync(join(workspace, "go.mod"), "module facts\n\ngo 1.24\n");
    const modules = [...new Set(PACKAGES.map((each) => each.module))];
    const directories = new Map(
      modules.map((each) => [each, moduleDirectory(each, versionOf(each), workspace)]),
    );
    const sources = PACKAGES.map((each) => {
      const directory = join(directories.get(each.module)!, each.path);
      return `${each.module}/${each.path}=${directory}`;
    });
    const output = execFileSync("go", ["run", READER, ...sources], {
      cwd: workspace,
      encoding: "utf8",
      maxBuffer: OUTPUT_LIMIT_BYTES,
    });
    (JSON.parse(output) as GoPackage[]).forEach((each, index) => {
      const facts = packageFacts(each, PACKAGES[index]!);
      writeFileSync(join(FACTS_DIR, `${facts.package.replace("/", ".")}.json`), factsText(facts));
    });
    const upstream = moduleDirectory("k8s.io/kubernetes", KUBERNETES_VERSION, workspace);
    const resources = PACKAGES.flatMap((each) => {
      const file = join(upstream, "api/discovery", discoveryFile(each));
      const other = OTHER_RESOURCES[each.name];
      if (other !== undefined) return resourceFacts(other, each);
      if (!existsSync(file)) return [];
      return resourceFacts(JSON.parse(readFileSync(file, "utf8")) as ResourceList, each);
    });
    writeFileSync(join(FACTS_DIR, "resources.json"), resourcesText(resources));
  } finally {
    rmSync(workspace, { recursive: true });
  }
}

main();
