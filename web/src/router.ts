import { createRouter, createWebHistory } from 'vue-router'
import ProjectsPage from './pages/ProjectsPage.vue'

export const router = createRouter({
  history: createWebHistory(),
  routes: [
    { path: '/', name: 'projects', component: ProjectsPage },
    { path: '/projects/:id', name: 'project', component: () => import('./pages/ProjectPage.vue'), props: true },
    { path: '/projects/:id/timeline', name: 'timeline', component: () => import('./pages/timeline/TimelinePage.vue'), props: true },
    { path: '/search', name: 'search', component: () => import('./pages/SearchPage.vue') },
    { path: '/statistics', name: 'statistics', component: () => import('./pages/StatisticsPage.vue') },
    { path: '/sources', name: 'sources', component: () => import('./pages/SourcesPage.vue') },
    { path: '/sources/:id', name: 'source', component: () => import('./pages/SourcesDetailPage.vue'), props: true },
    {
      path: '/sessions/:id/replay',
      name: 'replay',
      component: () => import('./pages/ReplayPage.vue'),
      props: true,
      meta: { bare: true },
    },
    { path: '/:rest(.*)*', name: 'missing', component: () => import('./pages/MissingPage.vue') },
  ],
  // These pages keep in their address what is open on them: that changes where nothing is to move.
  scrollBehavior: (to, from, saved) => (to.name === from.name && ['sources', 'search'].includes(String(to.name)) ? false : (saved ?? { top: 0 })),
})
