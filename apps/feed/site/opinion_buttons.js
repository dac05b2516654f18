// Interest / uninterest / right now / not now of one video. A click is shown as said once the server has written it.
// An opinion keeps its id until another one of the same head was said: a click that arrives twice counts once.
const BUTTONS = [
  { head: "interest", value: 1, key: "i", icon: "thumb_up", word: "Interest", help: "This is interesting (I)" },
  { head: "interest", value: 0, key: "u", icon: "thumb_down", word: "Uninterest", help: "This is not interesting (U)" },
  { head: "productive", value: 1, key: "r", icon: "bolt", word: "Right now", help: "Right for what I am doing (R)" },
  { head: "productive", value: 0, key: "n", icon: "schedule", word: "Not now", help: "Not for what I am doing (N)" },
];
const SETTLED_MS = 350; // nobody judges a video sooner: the second press of two was meant for the one before

function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16)); // randomUUID is missing on plain http
  return "web-" + Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export default {
  template: `
    <div class="opinions" role="group" :aria-label="'Your opinion of ' + about">
      <button v-for="b in buttons" :key="b.key" type="button" class="opinion" :class="[b.value ? b.head : 'no', { said: said(b) }]"
        :data-key="b.key" :data-say="b.head + b.value" :aria-pressed="said(b) ? 'true' : 'false'"
        :aria-busy="busy === b.key ? 'true' : 'false'" :title="b.help" @click="say(b, $event)">
        <i class="material-icons" aria-hidden="true">{{ b.icon }}</i><span class="word">{{ b.word }}</span>
      </button>
    </div>`,
  props: { video: String, about: String, interest: Number, productive: Number, heads: Array, version: Number },
  data() {
    return { busy: null, ids: {}, arrived: 0 };
  },
  computed: {
    buttons() {
      return BUTTONS.filter((button) => !this.heads || this.heads.includes(button.head));
    },
  },
  watch: {
    video() {
      this.ids = {};
      this.arrived = performance.now();
    },
    version() {
      this.busy = null;
      for (const { head, value } of BUTTONS) if (this[head] === 1 - value) delete this.ids[head + value];
    },
  },
  methods: {
    said(button) {
      return this[button.head] === button.value;
    },
    say(button, event) {
      const name = button.head + button.value;
      const early = this.arrived && performance.now() - this.arrived < SETTLED_MS;
      if (this.said(button) || this.busy === button.key || event.detail > 1 || early) return;
      this.ids[name] ??= newId();
      this.busy = button.key;
      const { head, value } = button;
      this.$emit("say", { video: this.video, head, value, feedback_id: this.ids[name] });
    },
  },
};
