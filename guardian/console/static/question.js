// One question of the terminal's, answered with a passkey: a yes to what is shown, or a new passkey.

import { el } from "./draw.js";
import { create, sign } from "./passkey.js";
import { Failed, ask, logIn } from "./requests.js";

const THINK_MS = 1000; // An answer sooner than this is not one to what is shown.
const $ = (id) => document.getElementById(id);
let question = null;

function say(words) {
  $("said").textContent = words;
}

function end(words) {
  $("question").hidden = true;
  say(words);
}

async function open(code) {
  try {
    await logIn(code);
    question = await ask("question");
  } catch (error) {
    $("login").hidden = false;
    say(error.message);
    return;
  }
  $("login").hidden = true;
  $("title").textContent = question.title;
  $("lines").replaceChildren(...question.lines.map((line) => el("li", {}, line)));
  $("details").replaceChildren(...question.details.map((line) => el("li", {}, line)));
  $("all").hidden = question.details.length === 0;
  $("yes").textContent = question.registers ? "Make a passkey" : "Yes, with my passkey";
  $("question").hidden = false;
  setTimeout(() => {
    $("yes").disabled = false;
    $("yes").focus();
  }, THINK_MS);
}

async function answer() {
  $("yes").disabled = true;
  say("Your passkey is asked…");
  try {
    const proof = await (question.registers ? create(question.options) : sign(question.options));
    end((await ask("answer", { proof })).message);
  } catch (error) {
    if (error instanceof Failed) {
      end(error.message);
      return;
    }
    say("The passkey gave no answer, or you said no. You can try again.");
    $("yes").disabled = false;
  }
}

async function decline() {
  try {
    end((await ask("answer", { proof: null })).message);
  } catch (error) {
    end(error.message);
  }
}

$("login").addEventListener("submit", (event) => {
  event.preventDefault();
  say("");
  open($("code").value);
});
$("yes").addEventListener("click", answer);
$("no").addEventListener("click", decline);

const code = location.hash.slice(1);
// The code is not left in the address, nor in the browser's history.
if (code) history.replaceState(null, "", "/");
if (code) open(code);
else {
  $("login").hidden = false;
  $("code").focus();
}
