import type { SourceFile } from "./sources.ts";
import { type SyntaxNode, statementsOf, walk } from "./syntax.ts";

/** Functions that return an emitter of `error`, by the module that exports them. */
const MAKERS: Readonly<Record<string, readonly string[]>> = {
  "node:child_process": ["spawn", "fork"],
  "node:dgram": ["createSocket"],
  "node:fs": ["createReadStream", "createWriteStream", "watch"],
  "node:http": ["createServer", "get", "request", "Server"],
  "node:http2": ["connect", "createSecureServer", "createServer"],
  "node:https": ["createServer", "get", "request", "Server"],
  "node:net": ["connect", "createConnection", "createServer", "Server", "Socket"],
  "node:stream": ["Duplex", "PassThrough", "Readable", "Transform", "Writable"],
  "node:tls": ["connect", "createServer", "Server", "TLSSocket"],
  "node:worker_threads": ["Worker"],
  "node:zlib": [
    "createBrotliDecompress",
    "createDeflate",
    "createGunzip",
    "createGzip",
    "createInflate",
    "createZstdDecompress",
  ],
  ws: ["createWebSocketStream", "WebSocket"],
};

/** Servers fail when they listen: one that is only handed connections has nothing to emit. */
const SERVERS = /Server$/;

/** Functions that listen to what they are given until it is over. */
const OWNERS = new Set(["pipeline", "finished"]);

const FUNCTIONS = new Set([
  "ArrowFunctionExpression",
  "ClassMethod",
  "ClassPrivateMethod",
  "FunctionDeclaration",
  "FunctionExpression",
  "ObjectMethod",
]);

/**
 * Places where something is made that may emit `error`, and the function that makes it gives it no
 * listener: an error would end the process. A listener is `.on("error", ...)`; `once` leaves a
 * second error without one. A child whose input is written needs one for that as well. Whoever
 * reads a stream (`for await`, `pipeline`) still meets its error.
 */
export function unownedEmitters(file: SourceFile): string[] {
  if (!Object.keys(MAKERS).some((name) => file.text.includes(`"${name}"`))) return [];
  const imports = importedMakers(file);
  if (imports.size === 0) return [];
  const parents = parentsOf(file);
  const found: string[] = [];
  const report = (node: SyntaxNode, what: string) =>
    found.push(`${file.path}:${node.loc.start.line}: ${what}`);
  walk(statementsOf(file), (node) => {
    const maker = makerOf(file, imports, node);
    if (maker === undefined) return;
    if (node.type === "ClassDeclaration" || node.type === "ClassExpression") {
      if (!listens(file, node, "this")) report(node, `extends ${maker}`);
      return;
    }
    const body = functionAround(node, parents);
    const holder = holderOf(file, node, parents);
    if (holder === "owned") return;
    if (SERVERS.test(maker) && !mentions(file, statementsOf(file), `${holder}.listen`)) return;
    const owned = holder !== undefined && listens(file, body, holder);
    if (!owned) report(node, maker);
    else if (mentions(file, body, `${holder}.stdin`)) {
      if (!listens(file, body, `${holder}.stdin`)) report(node, `${maker}'s stdin`);
    }
  });
  return found;
}

/** Local names of makers and of whole modules that have some. */
function importedMakers(file: SourceFile): Map<string, readonly string[] | string> {
  const names = new Map<string, readonly string[] | string>();
  for (const node of statementsOf(file)) {
    if (node.type !== "ImportDeclaration" || node["importKind"] === "type") continue;
    const makers = MAKERS[(node["source"] as { value: string }).value];
    if (!makers) continue;
    for (const specifier of node["specifiers"] as SyntaxNode[]) {
      if (specifier["importKind"] === "type") continue;
      const local = textOf(file, specifier["local"]);
      if (specifier.type !== "ImportSpecifier") names.set(local, makers);
      else {
        const imported = textOf(file, specifier["imported"]);
        if (makers.includes(imported)) names.set(local, imported);
      }
    }
  }
  return names;
}

type Makers = ReturnType<typeof importedMakers>;

/** The name of what a node makes, undefined for all others. */
function makerOf(file: SourceFile, imports: Makers, node: SyntaxNode): string | undefined {
  if (node.type === "ClassDeclaration" || node.type === "ClassExpression") {
    const parent = node["superClass"];
    return parent ? named(file, imports, parent as SyntaxNode) : undefined;
  }
  if (node.type !== "CallExpression" && node.type !== "NewExpression") return undefined;
  const callee = node["callee"] as SyntaxNode;
  if (callee.type === "MemberExpression" && /^from(Web)?$/.test(textOf(file, callee["property"]))) {
    return named(file, imports, callee["object"] as SyntaxNode);
  }
  const name = named(file, imports, callee);
  // Classes are made by `new`, everything else by a call.
  const isClass = name !== undefined && /^[A-Z]/.test(name);
  return isClass === (node.type === "NewExpression") ? name : undefined;
}

function named(file: SourceFile, imports: Makers, node: SyntaxNode): string | undefined {
  if (node.type === "Identifier") {
    const known = imports.get(textOf(file, node));
    return typeof known === "string" ? known : undefined;
  }
  if (node.type !== "MemberExpression") return undefined;
  const known = imports.get(textOf(file, node["object"]));
  const property = textOf(file, node["property"]);
  return Array.isArray(known) && known.includes(property) ? property : undefined;
}

/**
 * How the function that made it refers to it: by a variable or a field. `owned` when it is listened
 * to in the same expression, or belongs to a function that listens to it.
 */
function holderOf(
  file: SourceFile,
  node: SyntaxNode,
  parents: ReadonlyMap<SyntaxNode, SyntaxNode>,
): string | undefined {
  let at = node;
  for (let parent = parents.get(at); parent; at = parent, parent = parents.get(at)) {
    switch (parent.type) {
      case "MemberExpression":
        if (isListening(parents.get(parent), parent, file)) return "owned";
        continue;
      case "CallExpression": {
        if (parent["callee"] === at) continue;
        const callee = textOf(file, parent["callee"]);
        return OWNERS.has(callee) ? "owned" : undefined;
      }
      case "VariableDeclarator":
        return textOf(file, parent["id"]);
      case "AssignmentExpression":
        return textOf(file, parent["left"]);
      case "ClassProperty":
      case "ClassPrivateProperty":
        return `this.${textOf(file, parent["key"])}`;
      case "AwaitExpression":
      case "ConditionalExpression":
      case "LogicalExpression":
      case "ParenthesizedExpression":
      case "TSAsExpression":
      case "TSNonNullExpression":
      case "TSSatisfiesExpression":
        continue;
      default:
        return undefined;
    }
  }
  return undefined;
}

/** Whether `call` is `callee("error", ...)` with a callee that ends in `.on`. */
function isListening(call: SyntaxNode | undefined, callee: SyntaxNode, file: SourceFile): boolean {
  if (call?.type !== "CallExpression" || call["callee"] !== callee) return false;
  if (!["on", "addListener"].includes(textOf(file, callee["property"]))) return false;
  const [event] = call["arguments"] as SyntaxNode[];
  return event?.type === "StringLiteral" && event["value"] === "error";
}

/** Whether `.on("error", ...)`, possibly after others, is called on `holder` below a node. */
function listens(file: SourceFile, root: SyntaxNode, holder: string): boolean {
  let found = false;
  walk(root, (node) => {
    const callee = node["callee"] as SyntaxNode | undefined;
    if (node.type === "CallExpression" && OWNERS.has(textOf(file, callee))) {
      const given = (node["arguments"] as SyntaxNode[]).map((each) => textOf(file, each));
      if (given.includes(holder)) found = true;
    }
    if (callee?.type !== "MemberExpression" || !isListening(node, callee, file)) return;
    if (textOf(file, rootOf(callee["object"] as SyntaxNode)) === holder) found = true;
  });
  return found;
}

/** Returns the first operand of a chain of calls: `a` of `a.on(...).on(...)`. */
function rootOf(node: SyntaxNode): SyntaxNode {
  if (node.type === "TSNonNullExpression") return rootOf(node["expression"] as SyntaxNode);
  const callee = node["callee"] as SyntaxNode | undefined;
  if (node.type !== "CallExpression" || callee?.type !== "MemberExpression") return node;
  return rootOf(callee["object"] as SyntaxNode);
}

/** Whether a member of something is used: `a.stdin`. */
function mentions(file: SourceFile, root: unknown, holder: string): boolean {
  let found = false;
  walk(root, (node) => {
    const member = node.type === "MemberExpression" || node.type === "OptionalMemberExpression";
    if (member && textOf(file, node).replaceAll(/[!?]/g, "") === holder) found = true;
  });
  return found;
}

/** The innermost function around a node, or the file's statement that holds it. */
function functionAround(
  node: SyntaxNode,
  parents: ReadonlyMap<SyntaxNode, SyntaxNode>,
): SyntaxNode {
  let at = node;
  for (let parent = parents.get(at); parent; parent = parents.get(at)) {
    at = parent;
    if (FUNCTIONS.has(at.type)) return at;
  }
  return at;
}

function parentsOf(file: SourceFile): Map<SyntaxNode, SyntaxNode> {
  const parents = new Map<SyntaxNode, SyntaxNode>();
  for (const statement of statementsOf(file)) {
    walk(statement, (node) => {
      for (const [key, part] of Object.entries(node)) {
        if (key === "loc") continue;
        for (const child of Array.isArray(part) ? part : [part]) {
          if (typeof child === "object" && child !== null && "type" in child) {
            parents.set(child as SyntaxNode, node);
          }
        }
      }
    });
  }
  return parents;
}

function textOf(file: SourceFile, node: unknown): string {
  const { start, end } = (node ?? { start: 0, end: 0 }) as SyntaxNode;
  return file.text.slice(start, end);
}
