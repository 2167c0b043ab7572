// Loaded once in a process: resolves imports between our modules by their text. Node looks for each
// in the file system, and a hook of vitest's sends its main process a message about it: more than
// half of the processor time of loading an apiserver. Of Node's own modules it sends one too.
import { isBuiltin, type ResolveFnOutput, registerHooks } from "node:module";

const ROOT = new URL("..", import.meta.url).href;
const INSTALLED = new URL("node_modules/", ROOT).href;

/** Modules by the names of our packages: every importer means the same, in one tree. */
const named = new Map<string, ResolveFnOutput>();

registerHooks({
  resolve(specifier, context, next) {
    if (isBuiltin(specifier)) {
      const url = `node:${specifier.replace(/^node:/, "")}`;
      return { url, format: "builtin", shortCircuit: true };
    }
    if (specifier.startsWith("@raft2kube/")) {
      const found = named.get(specifier) ?? { ...next(specifier, context), shortCircuit: true };
      named.set(specifier, found);
      return found;
    }
    const { parentURL = "" } = context;
    const isOurs = parentURL.startsWith(ROOT) && !parentURL.startsWith(INSTALLED);
    if (!isOurs || !/^\.\.?\/.*\.ts$/.test(specifier)) return next(specifier, context);
    const { href: url } = new URL(specifier, parentURL);
    return { url, format: "module-typescript", shortCircuit: true };
  },
});
