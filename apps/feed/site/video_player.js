// The player of another company: nothing of it is loaded before the button is pressed (or with the page, if `auto`).
export default {
  template: `
    <div v-if="video" class="player" :style="playing ? {} : { background: video.ground }">
      <iframe v-if="playing" :key="video.id" :src="src" :title="'Player: ' + video.title" allowfullscreen
        referrerpolicy="strict-origin-when-cross-origin"
        allow="accelerometer; autoplay; clipboard-write; encrypted-media; gyroscope; picture-in-picture; web-share"></iframe>
      <template v-else>
        <span class="letters" aria-hidden="true">{{ video.letters }}</span>
        <img v-if="video.thumbnail && broken !== video.id" :src="video.thumbnail" alt="" @error="broken = video.id" />
        <button type="button" data-key="p" data-do="play" title="Play (P)" @click="play">
          <i class="material-icons" aria-hidden="true">play_arrow</i>Play
        </button>
        <small>Playing loads the video from youtube-nocookie.com.</small>
      </template>
    </div>`,
  props: { video: Object, auto: Boolean },
  data() {
    return { playing: this.auto, broken: null };
  },
  computed: {
    src() {
      const start = this.auto ? "" : "&autoplay=1";
      return `https://www.youtube-nocookie.com/embed/${encodeURIComponent(this.video.id)}?rel=0${start}`;
    },
  },
  watch: {
    "video.id"() {
      this.playing = this.auto;
    },
  },
  methods: {
    play() {
      this.playing = true;
      this.$emit("play", { video: this.video.id });
    },
  },
};
