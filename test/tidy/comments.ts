// STYLE.md's rules for comments, as far as words show them.

/** Words that comments must not have, each with its replacements. Code in backquotes may. */
const RETIRED: readonly { readonly words: RegExp; readonly instead: string }[] = [
  { words: /\banew\b/i, instead: "again" },
  { words: /\bat once\b/i, instead: "immediately, or concurrently" },
  { words: /\b(anybody|everybody|nobody|somebody|whoever)\b/i, instead: "the member that ..." },
  { words: /\b(began|begins?|begun)\b/i, instead: "start" },
  { words: /\bfor ever\b/i, instead: "without end" },
  { words: /\b(hears?|heard)\b/i, instead: "receive, learn, is called with" },
  { words: /\b(tells?|told)\b/i, instead: "report, show" },
  { words: /\bwell or not\b/i, instead: "regardless of the outcome" },
  { words: /\bwhatever\b/i, instead: "any, regardless of" },
];

/** A sentence whose subject is a pronoun without a name. */
const NAMELESS = /(?:^|[.!?] )(?:What|Whatever|Who|Whom|Whose)\b/;

const BARE_START = [
  "About Above After Against Along Among At Because Before Behind Below Beneath Beside Besides",
  "Between Beyond By During For From If In Inside Into Like Of Off On Once Outside Over Since",
  "Than Though Through To Toward Under Unless Until Upon While With Within Without",
  "Also Already Always And As But Just Mostly Never Nor Not Or So Then Usually",
  "Him His It Its Itself Others She Such That Their Them They Those Whatever Whichever",
  "Am Are Be Been Can Could Did Do Does Had Has Is May Might Must Should Was Were Will Would",
].flatMap((line) => line.split(" "));

/**
 * A word in the place of a verb and its subject: a preposition, a conjunction, a pronoun, or an
 * auxiliary verb. A sentence with such a word first can be put as STYLE.md has it, name first.
 */
const FRAGMENT = new RegExp(`^(?:${BARE_START.join("|")})\\b(?!-)`);

const STATES = "Absent|Empty|False|Present|True|Undefined|Unknown|Unset";
const IRREGULAR =
  "Built|Chosen|Cut|Done|Drawn|Found|Given|Gone|Held|Kept|Known|Left|Lost|Made|Meant|Put|Sent|" +
  "Set|Shown|Taken|Thrown|Won|Written";
const LINKS =
  "after|also|as|at|because|before|beside|by|for|from|if|in|of|on|once|only|outside|over|since|" +
  "so|through|to|unchanged|unless|until|when|where|while|with|without";

/** A participle or a state without its noun: "Set when ...". "Called when ..." is an idiom. */
const PARTICIPLE = new RegExp(
  `^(?!Called )(?:\\w+ed|${IRREGULAR}|${STATES})(?:[,:;]|\\.$| (?:${LINKS})\\b)`,
);

/** Returns what STYLE.md objects to in a comment. */
export function objectionsTo({ text, isDoc }: { text: string; isDoc: boolean }): string[] {
  // Code, quotations and the labs' tags are no prose.
  const prose = text.replaceAll(/`[^`]*`|"[^"]*"|lab:\d+\w* (begin|end)( [\w-]+)?/g, "`");
  const objections = RETIRED.flatMap(({ words, instead }) => {
    const found = words.exec(prose);
    return found ? [`"${found[0]}": write ${instead}`] : [];
  });
  if (NAMELESS.test(prose)) objections.push("a sentence without a named subject");
  if (isDoc && (FRAGMENT.test(prose) || PARTICIPLE.test(prose))) {
    objections.push("the first sentence has no verb with its subject, and names nothing");
  }
  return objections;
}
